// Keeps a page up to date: asks for the version of what is stored, and when that has changed fetches the page anew
// and exchanges what differs. Rows that are the same stay, with their pictures and the focus. Without this script the
// page is as it was when it was loaded.
"use strict";

const INTERVAL = 2000;
const LONGEST_INTERVAL = 30000;
const MOST_SAID = 3;

function exchangeRows(body, next) {
  const kept = new Map(Array.from(body.children, (row) => [row.id, row]));
  const changed = [];
  // A row that is adopted leaves next.children at once: hence the copy.
  const wanted = [...next.children].map((row) => {
    const old = kept.get(row.id);
    if (old?.isEqualNode(row)) return old;
    changed.push(row.dataset.said);
    return document.adoptNode(row);
  });
  const staying = new Set(wanted);
  for (const row of kept.values()) if (!staying.has(row)) row.remove();
  wanted.forEach((row, index) => {
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
  });
  return changed;
}

function exchange(next) {
  const focused = document.activeElement?.id;
  const said = [];
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = next.getElementById(part.id);
    if (!other || part.isEqualNode(other)) continue;
    if (other.dataset.said) said.push(other.dataset.said);
    part.replaceWith(document.adoptNode(other));
  }
  for (const body of document.querySelectorAll("[data-rows]")) {
    const other = next.getElementById(body.id);
    if (other) said.push(...exchangeRows(body, other));
  }
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
  if (said.length > 0) {
    document.getElementById("announcement").textContent =
      said.length > MOST_SAID ? `${said.length} rows changed.` : said.join(" ");
  }
}

async function update(version) {
  const answer = await fetch("/version", { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  const newest = (await answer.text()).trim();
  if (newest === version) return version;
  const page = await fetch(location.href, { cache: "no-store" });
  if (!page.ok) throw new Error(page.statusText);
  const next = new DOMParser().parseFromString(await page.text(), "text/html");
  exchange(next);
  return next.body.dataset.version;
}

async function follow(version) {
  let interval = INTERVAL;
  for (;;) {
    await new Promise((done) => setTimeout(done, interval));
    if (document.hidden) continue;
    try {
      version = await update(version);
      interval = INTERVAL;
    } catch {
      // The server is away: it is asked less and less often.
      interval = Math.min(2 * interval, LONGEST_INTERVAL);
    }
  }
}

if (document.body.dataset.version) follow(document.body.dataset.version);
