/** Asks again where the agent says that it is busy: it explains one thing at a time. */
const AGAIN = 600; // milliseconds
const TRIES = 8;

/** What `ask()` resolves to. Asked again after a 503, until the signal aborts it. */
export async function patiently(ask, signal, tries = TRIES) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      tries -= 1;
      if (error.status !== 503 || tries <= 0 || signal?.aborted) throw error;
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }
}
