"""The loss_list of Channel Distillation's configuration, word for word."""

import pytest
from test_golden import GOLDEN

from distill_lib.errors import DistillError
from distill_lib.loss_list import read_loss_list, specs_from_loss_list, terms_from_loss_list
from distill_lib.recipes import CD, CE, GKD, KD
from distill_lib.schedules import Decay

# ruff: noqa: E501 - the three lists stand as their authors wrote them.
CD_CE = """loss_list = [
    {"loss_name": "CELoss", "loss_rate": 1, "factor": 1, "loss_type": "ce_family", "loss_rate_decay": "lrdv1"},
    {"loss_name": "CDLoss", "loss_rate": 6, "factor": 1, "loss_type": "fd_family", "loss_rate_decay": "lrdv1"},
]
"""
CD_CE_LRDV2 = """loss_list = [
    {"loss_name": "CELoss", "loss_rate": 1, "factor": 1, "loss_type": "ce_family", "loss_rate_decay": "lrdv2"},
    {"loss_name": "CDLoss", "loss_rate": 6, "factor": 0.9, "loss_type": "fd_family", "loss_rate_decay": "lrdv2"},
]
"""
CD_KDV2_LRDV2 = """loss_list = [
    {"loss_name": "CELoss", "loss_rate": 1, "factor": 1, "loss_type": "ce_family", "loss_rate_decay": "lrdv2"},
    {"loss_name": "KDLossv2", "T": 1, "loss_rate": 1, "factor": 1, "loss_type": "kdv2_family", "loss_rate_decay": "lrdv2"},
    {"loss_name": "CDLoss", "loss_rate": 6, "factor": 0.9, "loss_type": "fd_family", "loss_rate_decay": "lrdv2"},
]
"""
FAMILY = {"ce": "ce_family", "gkd": "kdv2_family", "cd": "fd_family"}


@pytest.fixture
def written(tmp_path):
    """Writes a text and reads its loss_list back."""

    def read(text):
        path = tmp_path / "losses.py"
        path.write_text(text)
        return read_loss_list(path)

    return read


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        (CD_CE, "lrdv1", (CE(1.0), CD(6.0))),
        (CD_CE_LRDV2, "lrdv2", (CE(1.0), CD(6.0))),
        (CD_KDV2_LRDV2, "lrdv2", (CE(1.0), GKD(1.0, temperature=1.0), CD(6.0))),
    ],
)
@pytest.mark.parametrize("data", ["imagenet", "cifar"])
def test_the_three_lists(written, text, version, expected, data):
    loss_list = written(text)
    assert loss_list == written(text.removeprefix("loss_list = "))
    specs = specs_from_loss_list(loss_list, data=data)
    assert [type(spec) for spec in specs] == [type(spec) for spec in expected]
    for spec, wanted in zip(specs, expected, strict=True):
        factor = 0.9 if version == "lrdv2" and isinstance(spec, CD) else 1.0
        assert spec.decay == Decay(data, version, factor)
        assert spec.weight == wanted.weight
    for term in terms_from_loss_list(loss_list, data=data):
        family = FAMILY[term.name]
        if version == "lrdv1" and family == "fd_family":
            family = "fd_family_nodecay"
        golden = GOLDEN.array(f"schedule/{data}/{version}/{family}")
        found = [term.weight_at(epoch) for epoch in range(1, len(golden) + 1)]
        assert found == pytest.approx(golden.tolist(), rel=1e-6)


def test_a_shorter_run_scales_the_schedule(written):
    ce, cd = terms_from_loss_list(written(CD_CE_LRDV2), epochs=10)
    assert [ce.weight_at(epoch) for epoch in range(1, 11)] == [0] * 3 + [1] * 7
    assert cd.weight_at(10) == pytest.approx(6 * 0.9**3)
    with pytest.raises(DistillError, match="epochs is 0"):
        terms_from_loss_list(written(CD_CE), epochs=0)


def test_temperatures_are_honoured():
    entry = {"loss_name": "KDLoss", "T": 4, "loss_rate": 0.5, "factor": 1}
    entry |= {"loss_type": "kd_family", "loss_rate_decay": "lrdv1"}
    (spec,) = specs_from_loss_list([entry])
    assert spec == KD(0.5, temperature=4.0, decay=Decay("imagenet", "lrdv1"))
    assert spec.build(100).temperature == 4


GOOD = {"loss_name": "CDLoss", "loss_rate": 6, "factor": 1, "loss_type": "fd_family"}
GOOD |= {"loss_rate_decay": "lrdv1"}
SOFT = GOOD | {"loss_name": "KDLossv2", "loss_type": "kdv2_family", "T": 1}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (GOOD | {"loss_rat": 6}, r"CDLoss knows no key 'loss_rat'"),
        (GOOD | {"T": 4}, r"CDLoss knows no key 'T'"),
        (GOOD | {"loss_name": "CDLos"}, r"unknown loss_name 'CDLos'.\n  Nearest: CDLoss"),
        (GOOD | {"loss_name": ["CDLoss"]}, r"unknown loss_name"),
        (GOOD | {"loss_type": "kd_family"}, r"loss_type is 'kd_family'; expected 'fd_family'"),
        (GOOD | {"loss_rate_decay": "lrdv3"}, r"loss_rate_decay is 'lrdv3'; expected lrdv1 or"),
        (GOOD | {"loss_rate": "6"}, r"loss_rate is '6'; expected a number"),
        (GOOD | {"loss_rate": True}, r"loss_rate is True"),
        (GOOD | {"loss_rate": -1}, r"loss_rate is -1"),
        (GOOD | {"loss_rate": 10**400}, r"loss_rate is 1000"),
        (GOOD | {"factor": float("nan")}, r"factor is nan"),
        (GOOD | {"factor": None}, r"factor is None"),
        (SOFT | {"T": 0}, r"T is 0; expected a number above 0"),
        ({k: v for k, v in SOFT.items() if k != "T"}, r"T missing; KDLossv2"),
        ({k: v for k, v in GOOD.items() if k != "factor"}, r"factor missing"),
        ({}, r"loss_name, loss_rate, factor, loss_type, loss_rate_decay missing"),
        ("CDLoss", r"'CDLoss' is a str; expected a dictionary"),
    ],
)
def test_what_is_not_understood_is_named(entry, message, written):
    with pytest.raises(DistillError, match=r"loss_list\[1\]: " + message):
        specs_from_loss_list([SOFT, entry])
    if "nan" not in message:
        with pytest.raises(DistillError, match=r"losses\.py, line 3: " + message):
            written(f"loss_list = [\n  {SOFT},\n  {entry!r},\n]")


@pytest.mark.parametrize(
    ("loss_list", "message"),
    [
        ([GOOD, GOOD], r"loss_list\[1\]: CDLoss stands there twice"),
        ([], "is empty"),
        (GOOD, "loss_list is a dict; expected a list"),
        (None, "loss_list is a NoneType; expected a list"),
    ],
)
def test_what_is_no_list_of_losses(loss_list, message):
    with pytest.raises(DistillError, match=message):
        specs_from_loss_list(loss_list)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss_list = [\n  1,,\n]", "line 2: not a Python list"),
        ("", "line 1: empty"),
        ("# nothing\n", "line 1: empty"),
        ("\nloss_list = []", "line 2: empty"),
        (f"{CD_CE}loss_list.clear()\n", "line 5: expected one list"),
        (f"import os\n{CD_CE}", "line 1: expected one list"),
        ("losses = []", "line 1: expected one list"),
        ("loss_list = other = []", "line 1: expected one list"),
        ("loss_list = list()", "line 1: expected one list"),
        ("(\n[],)", "line 1: expected one list"),
        ('[\n{"T": 1,\n "T": 2}]', "line 2: key 'T' stands there twice"),
        ('[\n\n{"T": open("x", "w")}]', "line 3: expected a dictionary of plain names"),
        ('[{**{"T": 1}}]', "line 1: expected a dictionary of plain names"),
        ('[{"T": rate}]', r"line 1: expected .* got \{'T': rate\}"),
        ("[" * 300 + "]" * 300, "line 1: "),
        ("loss_list = [\0]", "line 1: not a Python list"),
    ],
)
def test_a_file_that_holds_anything_else(text, message, written, tmp_path):
    with pytest.raises(DistillError, match=message):
        written(text)
    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DistillError, match="nowhere.py cannot be read"):
        read_loss_list(tmp_path / "nowhere.py")
    with pytest.raises(DistillError, match="cannot be read"):
        read_loss_list(tmp_path)
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe loss_list")
    with pytest.raises(DistillError, match=r"binary\.py, line \d+: not a Python list"):
        read_loss_list(tmp_path / "binary.py")
    (tmp_path / "windows.py").write_bytes(b"\xef\xbb\xbf" + CD_CE.replace("\n", "\r\n").encode())
    assert [entry["loss_name"] for entry in read_loss_list(tmp_path / "windows.py")] == [
        *("CELoss", "CDLoss")
    ]
