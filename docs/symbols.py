"""The table of symbols at the end of docs/formula_sheet.md.

python -m docs.symbols                    writes it anew between its two marks
"""

import re
from dataclasses import dataclass

from distill_lib.files import write_atomically
from distill_lib.tables import markdown_table
from docs import npm

SHEET = npm.DOCS / "formula_sheet.md"
BEGIN = "<!-- symbols: what follows is written by python -m docs.symbols -->"
END = "<!-- end of symbols -->"


@dataclass(frozen=True)
class Symbol:
    """One symbol of the papers, and where it lives here.

    Args:
        symbol: in TeX.
        what: in words.
        name: of `distill_lib`, with dots.
        parameter: which of the parameters of `name` it is, where it is one.
        notebook: its stem; None where no notebook explains it.
        golden: how the keys of its reference values begin; None where there are none.
    """

    symbol: str
    what: str
    name: str
    parameter: str | None = None
    notebook: str | None = None
    golden: str | None = None


MARGIN, TAPS, PARTIAL = "03_margin_relu", "04_where_to_tap", "05_partial_l2"
SOFT, OVERHAUL = "02_soft_targets", "06_overhaul"
CHANNEL, DECAY = "08_channel_distillation", "09_guided_and_early_decay"

SYMBOLS = (
    Symbol(
        r"\gamma", "scale of a batch norm", "margin_from_batch_norm", "weight", MARGIN, "margin/"
    ),
    Symbol(r"\beta", "shift of a batch norm", "margin_from_batch_norm", "bias", MARGIN, "margin/"),
    Symbol("m_c", "margin of a channel", "margin_from_batch_norm", None, MARGIN, "margin/"),
    Symbol(
        r"\mathrm{E}[x \mid x < 0]", "margin, measured on images", "margin_from_data", None, MARGIN
    ),
    Symbol(r"\sigma_m", "margin ReLU", "margin_relu", None, MARGIN, "partial_l2/margin"),
    Symbol("s_i, t_i", "where features are read", "Tap", None, TAPS),
    Symbol("C_s, C_t", "channels at a tap", "Tap", "channels", TAPS),
    Symbol(
        "r", "student transform, connector", "terms.connector", None, OVERHAUL, "ofd/connectors"
    ),
    Symbol("d_p", "partial L2", "partial_l2", None, PARTIAL, "partial_l2/expected"),
    Symbol("2^{n-1-i}", "divisor of tap i", "losses.default_divisors", None, OVERHAUL, "ofd/"),
    Symbol(
        "D", "sum over the taps", "overhaul_loss", None, OVERHAUL, "ofd/teacher_eval/distill_sum"
    ),
    Symbol(r"\alpha", "weight of OFD, 1/1000 or 1/10000", "Overhaul", "weight", OVERHAUL, "ofd/"),
    Symbol("L", "the whole loss of a step", "Distiller", None, OVERHAUL, "ofd/teacher_eval/total"),
    Symbol(r"\mu", "mean over positions", "channel_loss", None, CHANNEL, "cd/"),
    Symbol(r"\mathrm{CD}", "channel distillation", "channel_loss", None, CHANNEL, "cd/"),
    Symbol("6", "weight of CD", "Channel", "weight", CHANNEL),
    Symbol("q", "attention map as a unit vector", "attention_loss", None, CHANNEL, "at/"),
    Symbol(r"\mathrm{hint}", "FitNets' hint", "hint_loss"),
    Symbol(r"\psi_D", "relative distance of two samples", "losses.rkd_distance_loss"),
    Symbol(r"\psi_A", "cosine of an angle of three", "losses.rkd_angle_loss"),
    Symbol("25", "weight of the distances", "rkd_loss", "distance"),
    Symbol("50", "weight of the angles", "rkd_loss", "angle"),
    Symbol(r"\mathrm{CE}", "cross entropy with the labels", "CrossEntropy", None, OVERHAUL),
    Symbol("z", "logits of a network", "Outputs", "logits", SOFT, "kd/"),
    Symbol("y", "labels", "guided_kd_loss", "labels", DECAY, "gkd/"),
    Symbol("T", "temperature", "kd_loss", "temperature", SOFT, "kd/T4"),
    Symbol(r"\mathrm{KD}", "divergence of softened answers", "kd_loss", None, SOFT, "kd/"),
    Symbol(r"\mathrm{GKD}", "KD where the teacher is right", "guided_kd_loss", None, DECAY, "gkd/"),
    Symbol(
        r"R = \emptyset", "it is right nowhere", "guided_kd_loss", None, DECAY, "gkd/none_correct"
    ),
    Symbol(r"\mathrm{DKD}", "KD in two parts", "dkd_loss", None, SOFT),
    Symbol(r"\alpha", "weight of the label's part of DKD", "dkd_loss", "alpha", SOFT),
    Symbol(r"\beta", "weight of the other classes' part", "dkd_loss", "beta", SOFT),
    Symbol("e", "epoch, from 1", "early_decay", "epoch", DECAY, "schedule/"),
    Symbol(r"\alpha", "weight of a loss at first", "early_decay", "rate", DECAY, "schedule/"),
    Symbol("f", "what a step multiplies it by", "early_decay", "factor", DECAY, "schedule/"),
    Symbol(r"\mathrm{EDT}", "early decay, for any run", "Decay", None, DECAY, "schedule/"),
)


def symbol_table() -> str:
    """The table, in Markdown."""
    rows = []
    for s in SYMBOLS:
        code = f"`{s.name}`" if s.parameter is None else f"`{s.parameter}` of `{s.name}`"
        book = s.notebook and f"[{s.notebook[:2]}](../notebooks/{s.notebook}.ipynb)"
        rows.append([f"${s.symbol}$", s.what, code, book, s.golden and f"`{s.golden}`"])
    return markdown_table(("symbol", "what", "name in the code", "notebook", "golden key"), rows)


def with_symbols(text: str) -> str:
    """The formula sheet with its table of symbols as it should be."""
    block = f"{BEGIN}\n\n{symbol_table()}\n\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


if __name__ == "__main__":
    new = with_symbols(SHEET.read_text("utf-8"))
    write_atomically(SHEET, lambda handle: handle.write(new.encode()))
