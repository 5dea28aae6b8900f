// Contrast of every visible text with what lies behind it, by WCAG 2.2; returns the texts below AA.
(() => {
  const parse = (text) => {
    const parts = (text.match(/[\d.]+(e-?\d+)?/g) || []).map(Number);
    if (text.startsWith("color(srgb")) return [255 * parts[0], 255 * parts[1], 255 * parts[2], parts[3] ?? 1];
    return [parts[0] ?? 0, parts[1] ?? 0, parts[2] ?? 0, parts[3] ?? 1];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const opacity = (element) => {
    let whole = 1;
    for (let at = element; at; at = at.parentElement) whole *= Number(getComputedStyle(at).opacity);
    return whole;
  };
  const failing = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element || element.closest("script, style, noscript, canvas, [aria-hidden=true], [disabled]")) continue;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (style.visibility !== "visible" || box.width < 2 || box.height < 2 || element.closest("[data-testid=stStatusWidget]")) continue;
    if (element.closest('[data-testid="stIconMaterial"]')) continue;
    // The value of a slider stands above its thumb, though it is the thumb's child.
    if (element.closest("[role=slider], [data-testid=stSliderThumbValue]")) continue;
    // Plotly itself chooses black or white for each cell of a heat map, whose colours are a picture.
    if (element.closest(".heatmap-label")) continue;
    const ink = parse(element.closest("svg") ? style.fill : style.color);
    ink[3] *= opacity(element);
    if (ink[3] < 0.05) continue;
    const under = behind(element);
    const [high, low] = [light(over(ink, under)), light(under)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const big = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (big ? 3 : 4.5)) failing.push(`${ratio.toFixed(2)} ${text.slice(0, 60)} (${element.className?.baseVal ?? element.className})`.slice(0, 160));
  }
  return failing;
})()
