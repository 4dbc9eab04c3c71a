/** How well texts can be told from what is behind them (WCAG 2.2, 1.4.3). */

/**
 * Runs in the page, which these tests are compiled without the types of. Returns a line for each text that is shown and
 * has less than 4.5, or less than 3 where it is large; and how many texts were looked at.
 */
export const measureContrast = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [red, green, blue] = [r, g, b].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const isOpaque = (color) => color.startsWith('rgb') && (channels(color)[3] ?? 1) === 1;
  const behind = (element) => {
    const bar = element.closest('.node.route')?.querySelector('.bar');
    if (bar) return getComputedStyle(bar).fill;
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (isOpaque(color)) return color;
    }
    throw new Error('nothing is behind ' + element.outerHTML);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const problems = [];
  let measured = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    const style = getComputedStyle(element);
    if (text === '' || element.closest('script, style, noscript, .spoken, .skip') || !element.checkVisibility()) continue;
    const front = element instanceof SVGElement ? style.fill : style.color;
    const back = behind(element);
    const [light, dark] = [luminance(channels(front)), luminance(channels(back))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 600);
    measured++;
    if (ratio < (isLarge ? 3 : 4.5)) problems.push(text.slice(0, 40) + ': ' + front + ' on ' + back + ' is ' + ratio.toFixed(2));
  }
  return { problems, measured };
})()`;
