// Replaces the overview by a fresh one every second while the page is visible.
const main = document.getElementById("overview");
const live = document.getElementById("live");

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/overview", { redirect: "manual", signal: AbortSignal.timeout(5000) });
    if (answer.type === "opaqueredirect") {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    const scroll = main.querySelector(".scroll")?.scrollLeft ?? 0;
    if (!getSelection()?.toString()) main.innerHTML = text;
    const table = main.querySelector(".scroll");
    if (table) table.scrollLeft = scroll;
    if (live.textContent !== "live") live.textContent = "live";
    live.className = "";
  } catch {
    live.textContent = "no connection";
    live.className = "alarm";
  }
}

setInterval(refresh, 1000);
