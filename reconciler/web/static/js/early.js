// Keys that are pressed before the modules are there: kept, for keys.js to take over. No module, so that
// it runs before anything is shown.

window.earlyKeys = [];
document.addEventListener("keydown", (event) => window.earlyKeys?.push(event));
