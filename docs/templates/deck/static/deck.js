// Starts reveal.js, then fits every slide: code is set so small that its lines need not break,
// figures get the room that the text leaves, and what is still too tall is set smaller, to a limit
// below which it scrolls instead.
(() => {
  const SMALLEST = 0.65; // of 30 px: what a room can still read
  const CODE = { usual: 22, least: 17 }; // px
  const FIGURE = { least: 300, enlarge: 1.7 }; // px, and times the stored size

  function room(slide) {
    const style = getComputedStyle(slide);
    return slide.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  }

  function wrap(slide) {
    const content = document.createElement("div");
    content.append(...slide.childNodes);
    slide.append(content, ...content.querySelectorAll("aside.notes"));
    return content;
  }

  function fitCode(code) {
    code.style.whiteSpace = "pre";
    const share = code.clientWidth / code.scrollWidth;
    code.style.whiteSpace = "";
    if (share < 1) code.style.fontSize = `${Math.max(CODE.least, CODE.usual * share)}px`;
  }

  function fit(slide) {
    const content = wrap(slide);
    content.querySelectorAll("pre").forEach(fitCode);
    const figures = [...content.querySelectorAll(".jp-RenderedImage img")];
    for (const figure of figures) figure.style.display = "none";
    const free = room(slide) - content.scrollHeight - 12 * figures.length;
    for (const figure of figures) {
      const most = Math.max(FIGURE.least, free / figures.length);
      const times = Math.min(most / figure.naturalHeight, FIGURE.enlarge);
      figure.style.display = "";
      figure.style.width = `${Math.round(times * figure.naturalWidth)}px`;
    }
    let size = 1;
    while (content.scrollHeight * size > room(slide) && size > SMALLEST) {
      size = Math.max(SMALLEST, size - 0.05);
      content.style.zoom = size;
    }
    slide.dataset.size = size.toFixed(2);
    slide.classList.toggle("scrolls", content.scrollHeight * size > room(slide) + 1);
  }

  async function start() {
    await Reveal.initialize({
      width: 1280,
      height: 720,
      margin: 0,
      center: false,
      hash: true,
      transition: "none",
      slideNumber: "c/t",
      viewDistance: Number.MAX_SAFE_INTEGER, // all slides are laid out, so all can be measured
      pdfSeparateFragments: false,
      pdfMaxPagesPerSlide: 1,
      plugins: [RevealNotes],
    });
    await MathJax.startup.promise;
    await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
    Reveal.getSlides().forEach(fit);
    document.body.dataset.fitted = "yes";
  }

  start();
})();
