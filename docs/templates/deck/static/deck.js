// Fits every slide, then starts reveal.js. Code is set so small that its lines need not break,
// figures get the room that the text leaves, and what is still too tall is set smaller. What would
// be too small to read then goes on to a slide of its own; a single cell that is too tall shrinks
// further, and scrolls in the end.
(() => {
  const READABLE = 0.8; // of 30 px
  const SMALLEST = 0.6;
  const CODE = { usual: 22, least: 17 }; // px
  const FIGURE = { least: 300, enlarge: 1.7 }; // px, and times the stored size

  const height = (element) => element.getBoundingClientRect().height;

  function room(slide) {
    const style = getComputedStyle(slide);
    return slide.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  }

  function wrap(slide) {
    const content = document.createElement("div");
    content.style.display = "flow-root";
    content.append(...slide.children);
    slide.append(content, ...content.querySelectorAll("aside.notes"));
    return content;
  }

  function fitCode(code) {
    code.style.whiteSpace = "pre";
    const share = (0.97 * code.clientWidth) / code.scrollWidth; // which lacks the right padding
    code.style.whiteSpace = "";
    if (share < 1) code.style.fontSize = `${Math.max(CODE.least, CODE.usual * share)}px`;
  }

  // Short cells such as (N, C, H, W) stay on one line, if the table has the width.
  function fitTable(table) {
    table.classList.add("unbroken");
    if (table.offsetWidth > table.parentElement.clientWidth) table.classList.remove("unbroken");
  }

  function fitFigures(content, slide) {
    const figures = [...content.querySelectorAll(".jp-RenderedImage img")];
    for (const figure of figures) figure.style.display = "none";
    const free = room(slide) - height(content) - 12 * figures.length;
    for (const figure of figures) {
      const most = Math.max(FIGURE.least, free / figures.length);
      const times = Math.min(most / figure.naturalHeight, FIGURE.enlarge);
      figure.style.display = "";
      figure.style.width = `${Math.round(times * figure.naturalWidth)}px`;
    }
  }

  // Whether the content fits at this size of type or a larger one, to which it is then set.
  function fitsAt(least, content, slide) {
    content.style.zoom = 1;
    fitFigures(content, slide);
    let size = 1;
    while (height(content) > room(slide) && size > least) {
      size = Math.max(least, size - 0.05);
      content.style.zoom = size;
    }
    slide.dataset.size = size.toFixed(2);
    return height(content) <= room(slide) + 1;
  }

  function fit(slide) {
    const content = wrap(slide);
    content.querySelectorAll("pre").forEach(fitCode);
    content.querySelectorAll("table").forEach(fitTable);
    const rest = document.createElement("section");
    const kept = content.firstElementChild.matches("h2, h3") ? 2 : 1; // no title stays alone
    while (!fitsAt(READABLE, content, slide) && content.children.length > kept) {
      rest.prepend(content.lastElementChild);
    }
    if (rest.children.length) {
      const title = slide.querySelector("h2, h3");
      if (title) rest.prepend(title.cloneNode(true));
      slide.after(rest);
      fit(rest);
    }
    const fits = fitsAt(READABLE, content, slide) || fitsAt(SMALLEST, content, slide);
    slide.classList.toggle("scrolls", !fits);
  }

  async function start() {
    await MathJax.startup.promise;
    await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
    document.querySelectorAll(".slides > section > section").forEach(fit);
    document.body.classList.remove("fitting");
    const pagesMade = new Promise((resolve) => Reveal.on("pdf-ready", resolve));
    await Reveal.initialize({
      width: 1280,
      height: 720,
      margin: 0,
      center: false,
      hash: true,
      transition: "none",
      slideNumber: "c/t",
      pdfSeparateFragments: false,
      pdfMaxPagesPerSlide: 1,
      plugins: [RevealNotes],
    });
    if (Reveal.isPrintingPDF()) await pagesMade;
    document.body.dataset.fitted = "yes";
  }

  start();
})();
