// Pictures that are made when somebody asks for them, <img data-preview>: as long as one is made, the
// server answers 202 with a placeholder, and it is asked for again; so it is after 503, which says that
// as many as may wait are waiting, or that the storage does not answer.

const RETRY_S = 2;
const MOST_TRIES = 30;

const pause = (ms) => new Promise((over) => setTimeout(over, ms));

async function awaitPicture(image) {
  const address = image.getAttribute("src");
  for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
    const asked = `${address}?n=${tries}`;
    const answer = await fetch(asked, { headers: { Accept: "image/*" } });
    if (answer.status === 200) image.src = asked;
    if (answer.status !== 202 && answer.status !== 503) return;
    await pause(1000 * (Number(answer.headers.get("Retry-After")) || RETRY_S));
  }
}

/** Looks after what is new on the page. */
function attend() {
  for (const image of document.querySelectorAll("img[data-preview]:not([data-attended])")) {
    image.dataset.attended = "";
    awaitPicture(image).catch(() => {});
  }
}

attend();
new MutationObserver(attend).observe(document.getElementById("main"), { childList: true, subtree: true });
