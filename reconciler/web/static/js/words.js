// Durations in the words in which the server says them.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

/** Two units at most: "42 s", "4 min 12 s", "2 d 5 h". */
export function duration(seconds) {
  let left = Math.round(Math.max(seconds, 0));
  const parts = [];
  for (const [unit, size] of UNITS) {
    const number = Math.floor(left / size);
    left %= size;
    if (number || parts.length) parts.push(number ? `${number} ${unit}` : "");
  }
  return parts.slice(0, 2).filter(Boolean).join(" ") || "0 s";
}

/** The largest unit alone: "42 s", "4 min", "2 d". */
export function roughly(seconds) {
  const whole = Math.floor(Math.max(seconds, 0));
  const [unit, size] = UNITS.find(([, size]) => whole >= size) ?? UNITS.at(-1);
  return `${Math.floor(whole / size)} ${unit}`;
}

/** What is left of a job: "about 4 min left", "4 min to 6 min left". */
export function remaining(etaS, highS) {
  if (etaS === null || etaS === undefined) return "";
  const low = duration(etaS);
  const high = highS === null || highS === undefined ? low : duration(highS);
  if (high === "0 s") return "about a second left";
  return low === high ? `about ${low} left` : `${low} to ${high} left`;
}
