// Pictures that are made when somebody asks for them, and the picture of a sampler that runs.

const RETRY_S = 2;
const MOST_TRIES = 30;

const retryMs = (answer) => 1000 * (Number(answer.headers.get("Retry-After")) || RETRY_S);
const pause = (ms) => new Promise((over) => setTimeout(over, ms));

/** <img data-preview>: the server answers 202 with a placeholder as long as the picture is made. */
async function awaitPicture(image) {
  const address = image.getAttribute("src");
  for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
    const asked = `${address}?n=${tries}`;
    const answer = await fetch(asked, { headers: { Accept: "image/*" } });
    if (answer.status === 200) image.src = asked;
    if (answer.status !== 202) return;
    await pause(retryMs(answer));
  }
}

/** <canvas data-live-preview="/api/v1/...">: drawn anew as long as the job runs. */
async function followSampler(canvas) {
  const words = canvas.nextElementSibling;
  while (canvas.isConnected) {
    const waitMs = document.hidden ? 1000 * RETRY_S : await draw(canvas, words).catch(() => 1000 * RETRY_S);
    await pause(waitMs);
  }
}

async function draw(canvas, words) {
  const answer = await fetch(canvas.dataset.livePreview, { headers: { Accept: "*/*" } });
  if (answer.status !== 200) {
    words.textContent = (await answer.json()).detail ?? "";
    return retryMs(answer);
  }
  const picture = await createImageBitmap(await answer.blob());
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  canvas.hidden = false;
  words.textContent = "";
  return 1000;
}

/** Looks after what is new on the page. */
function attend() {
  for (const [selector, follow] of [["img[data-preview]", awaitPicture], ["canvas[data-live-preview]", followSampler]]) {
    for (const element of document.querySelectorAll(`${selector}:not([data-attended])`)) {
      element.dataset.attended = "";
      follow(element).catch(() => {});
    }
  }
}

attend();
new MutationObserver(attend).observe(document.getElementById("main"), { childList: true, subtree: true });
