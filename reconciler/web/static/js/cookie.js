// What somebody chose for this browser: the server reads it, so that no page flashes.

export function remember(name, value) {
  const year_s = 365 * 24 * 3600;
  document.cookie = `${name}=${value}; path=/; max-age=${year_s}; samesite=lax`;
}
