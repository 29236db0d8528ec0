/** Of a long list, the part that is seen. */
import { useLayoutEffect, useRef, useState } from "./ui.js";

const MORE = 6; // rows above and below what is seen

/**
 * {scroller (a ref), first, last, show(index)} for `length` rows of `height` pixels each; `head`:
 * pixels that a sticky head takes.
 */
export function useVirtual(length, height, head) {
  const scroller = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const seen = new ResizeObserver(look);
    seen.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      seen.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  const top = Math.min(view.top, Math.max(0, length * height - view.height + head));
  const first = Math.max(0, Math.floor(top / height) - MORE);
  const last = Math.min(length, Math.ceil((top + view.height) / height) + MORE);
  const show = (index) => {
    const element = scroller.current;
    if (!element || index < 0) return;
    const above = index * height;
    const below = above + height - (element.clientHeight - head);
    if (element.scrollTop > above) element.scrollTop = above;
    else if (element.scrollTop < below) element.scrollTop = below;
  };
  return { scroller, first, last, show };
}
