/** What who may not see the page is shown: why, and the command that opens it. */
import { setToken } from "./api.js";
import { html, useState } from "./lib/ui.js";

export function Refused({ text, status }) {
  const [token, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    setToken(token.trim().replace(/^.*#token=/, ""));
    location.reload();
  };
  return html`<main class="refused">
    <h1>This page needs its token</h1>
    <p>${text}</p>
    ${status === 401 &&
    html`<p>On the agent's host, this prints the address to open:</p>
      <pre><code>dockline page</code></pre>
      <p>or, where the agent runs in a container:</p>
      <pre><code>docker exec dockline dockline page</code></pre>
      <form onSubmit=${submit}>
        <label for="token">Token, or the address with it</label>
        <input id="token" type="password" autocomplete="off" value=${token} onInput=${(event) => setText(event.target.value)} />
        <button disabled=${!token.trim()}>Open</button>
      </form>
      <p class="dim">The token is kept for this tab only. It is neither a cookie nor in the address.</p>`}
    ${status !== 401 && html`<button onClick=${() => location.reload()}>Try again</button>`}
  </main>`;
}
