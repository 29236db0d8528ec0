/** What who may not see the page is shown: why, and the command that opens it. */
import { setToken } from "./token.js";
import { html, useState } from "./lib/ui.js";

const NEEDED = "This page needs its token";
const TITLES = { 401: NEEDED, 421: "The agent does not know this address", 429: NEEDED };

/** `text`: the agent's sentence. */
export function Refused({ text, status }) {
  const [token, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    setToken(token.trim().replace(/^.*#token=/, ""));
    location.reload();
  };
  return html`<main class="refused">
    <h1>${TITLES[status] ?? "The agent refuses"}</h1>
    <p>${withCode(text)}</p>
    ${![401, 429].includes(status)
      ? html`<button onClick=${() => location.reload()}>Try again</button>`
      : html`<p>On the agent's host, this prints the address to open:</p>
        <pre><code>dockline page</code></pre>
        <p>Or, where the agent runs in a container:</p>
        <pre><code>docker exec dockline dockline page</code></pre>
        <form onSubmit=${submit}>
          <label for="token">Token, or the address with it</label>
          <input id="token" type="password" autocomplete="off" value=${token} onInput=${(event) => setText(event.target.value)} />
          <button disabled=${!token.trim()}>Open</button>
        </form>
        <p class="dim">The token is kept for this tab only. It is neither a cookie nor in the address.</p>`}
  </main>`;
}

/** What stands between back-quotes, as the agent writes names, is set as code. */
const withCode = (text) => text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));
