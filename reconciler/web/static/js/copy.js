// Buttons that copy the text of another element: <button data-copy="#raw">.

export function offerCopies() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent);
    announce("Copied");
  });
}

/** Says something to screen readers, and for a moment to everybody. */
export function announce(words) {
  const place = document.getElementById("announcement");
  place.textContent = words;
  place.classList.add("shown");
  setTimeout(() => place.classList.remove("shown"), 4000);
}
