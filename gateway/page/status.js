// How does the page say whether it is connected?

export function show(state, words) {
  const status = document.getElementById("status");
  if (status.dataset.state === state && status.textContent === words) return;
  status.dataset.state = state;
  status.textContent = words;
}

export function lost() {
  if (navigator.onLine) show("connecting", "Reconnecting…");
  else show("offline", "You are offline");
}
