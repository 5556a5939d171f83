// What samplers show while they run: pictures marked data-picture="<address>", taken anew now and
// then as long as somebody looks. One that is not there yet stays hidden.

const EVERY_MS = 2000;

async function renew(picture) {
  const address = `${picture.dataset.picture}&at=${Date.now()}`;
  const answer = await fetch(address, { headers: { Accept: "image/webp" } }).catch(() => null);
  if (answer?.status !== 200) return;
  const next = new Image();
  next.src = address;
  await next.decode();
  picture.src = next.src;
  picture.hidden = false;
}

export function followPictures(isPaused) {
  const all = () => document.querySelectorAll("img[data-picture]");
  const look = () => {
    if (!document.hidden && !isPaused()) for (const picture of all()) renew(picture).catch(() => {});
  };
  look();
  setInterval(look, EVERY_MS);
}
