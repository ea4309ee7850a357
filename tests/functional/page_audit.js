// What keeps people from reading a page: returns a list of sentences, empty if nothing was found.
const problems = [];
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const named = (element) => `${element.tagName.toLowerCase()}.${element.getAttribute("class") || ""} "${element.textContent.trim().slice(0, 40)}"`;
const shown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && element.getClientRects().length > 0;

// Contrast, as WCAG 2.2 defines it (1.4.3): 4.5 to 1, for large text 3 to 1.
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const colour = (text) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = ([r, g, b, a], under) => [r, g, b].map((one, place) => one * a + under[place] * (1 - a));
const probe = document.body.appendChild(document.createElement("div"));
probe.style.backgroundColor = "Canvas"; // of the reader's scheme
const sheet = colour(getComputedStyle(probe).backgroundColor).slice(0, 3);
probe.remove();
const background = (element) => {
  const layers = [];
  for (let one = element; one; one = one.parentElement) layers.push(colour(getComputedStyle(one).backgroundColor));
  return layers.reverse().reduce((under, layer) => over(layer, under), sheet);
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const opacity = (element) => (element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1);
const check = (element, text, style) => {
  const under = background(element);
  const [r, g, b, a] = colour(text);
  const ratio = contrast(over([r, g, b, a * opacity(element)], under), under);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)}: ${named(element)}`);
};
for (const element of all("body, body *")) {
  const words = [...element.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.data.trim());
  if (!words || ["SCRIPT", "STYLE", "TITLE", "DESC", "OPTION"].includes(element.tagName.toUpperCase())) continue;
  if (!shown(element) || element.disabled) continue;
  const style = getComputedStyle(element);
  check(element, element instanceof SVGElement ? style.fill : style.color, style);
}
for (const element of all("input[placeholder]").filter(shown)) {
  const style = getComputedStyle(element, "::placeholder");
  check(element, style.color, style);
}

// Nothing of a picture is cut off.
for (const text of all("svg text").filter(shown)) {
  const [box, view] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
  if (box.left < view.left - 2 || box.top < view.top - 2 || box.right > view.right + 2 || box.bottom > view.bottom + 2)
    problems.push(`cut off: ${named(text)}`);
}

// Headings, in order.
const levels = all("h1, h2, h3, h4, h5, h6").filter(shown).map((one) => Number(one.tagName[1]));
if (levels.filter((one) => one === 1).length !== 1) problems.push(`${levels.filter((one) => one === 1).length} headings h1`);
levels.forEach((level, place) => level - (levels[place - 1] || 0) > 1 && problems.push(`h${level} after h${levels[place - 1] || 0}`));

// The page itself is not wider than the window; tables may scroll by themselves.
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) problems.push(`${root.scrollWidth} px wide in a window of ${root.clientWidth}`);
return problems;
