/** The page in docs/ is written by hand, but for what stands between two markers. */

export const beginMarker = '<!-- Figures: written by "npm run bench -- --write". -->';
export const endMarker = '<!-- End of the figures. -->';

/** Throws Error when the page does not have both markers, in this order. */
export function withFigures(page: string, figures: string): string {
  const begin = page.indexOf(beginMarker);
  const end = page.indexOf(endMarker);
  if (begin === -1 || end < begin) throw new Error(`the page must hold ${beginMarker} and then ${endMarker}`);
  return `${page.slice(0, begin + beginMarker.length)}\n\n${figures}\n\n${page.slice(end)}`;
}
