"""Sphinx for the course site; `docs.make_site` lays out the pages and calls it."""

project = "distill_lib"
author = "the distill_lib authors"
html_title = "Feature distillation, step by step"

extensions = ["myst_nb"]
myst_enable_extensions = ["dollarmath", "amsmath"]
nb_execution_mode = "off"  # the notebooks were run before they were saved
nb_render_markdown_format = "gfm"  # tables among the outputs
nb_ipywidgets_js = {}  # sliders need a kernel; without one nothing is fetched for them

exclude_patterns = ["jupyter_execute"]

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["house.css", "site.css"]
mathjax_path = "tex-svg-full.js"
html_show_copyright = False
html_show_search_summary = False  # it would fetch pages, which browsers refuse from a folder
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # one search field is enough, the sidebar's
}
html_context = {"default_mode": "light"}  # the figures have a white ground
