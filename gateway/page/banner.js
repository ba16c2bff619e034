// Who answers here? It is said plainly when nobody thinks behind the page.

const ECHO = "No language model is connected: this assistant only repeats what you write.";
const AGAIN_MS = 15_000;

/** Asks again until it has heard of a model. */
export async function introduce(transport, banner) {
  try {
    const { backend } = await transport.about();
    banner.textContent = backend === "echo" ? ECHO : "";
    banner.hidden = backend !== "echo";
    if (backend && backend !== "echo") return;
  } catch {
    // The status line already says what is wrong with the connection.
  }
  setTimeout(() => introduce(transport, banner), AGAIN_MS);
}
