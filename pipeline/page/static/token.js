/** The token of this tab. One that was given later takes its place once the agent has accepted it. */
const KEY = "dockline.token";
const BEFORE = "dockline.token.before";
const FORM = /^[A-Za-z0-9._~+/=-]{1,1024}$/;

/** The token to send; null if there is none. */
export const current = () => sessionStorage.getItem(KEY);

/** Takes the token out of the address, so that it is neither copied along nor in the history. */
export function takeToken() {
  if (!location.hash.startsWith("#token=")) return;
  const [given] = location.hash.slice("#token=".length).split("&");
  history.replaceState(null, "", `${location.pathname}${location.search}#/flow`);
  setToken(decoded(given));
}

/** Uses another token from now on. What cannot be one is passed over. */
export function setToken(token) {
  const before = current();
  if (!FORM.test(token) || token === before) return;
  if (before) sessionStorage.setItem(BEFORE, before);
  sessionStorage.setItem(KEY, token);
}

/** The agent has accepted this token: the one before it is not needed any more. */
export function accepted(token) {
  if (token === current()) sessionStorage.removeItem(BEFORE);
}

/** The agent has refused this token. Whether there is another one to ask with: whoever sends a link
 *  with a wrong token must not shut the reader out. */
export function fallBack(refused) {
  const before = sessionStorage.getItem(BEFORE);
  if (before && refused === current()) {
    sessionStorage.setItem(KEY, before);
    sessionStorage.removeItem(BEFORE);
  }
  return current() !== refused;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // a malformed escape
  }
}
