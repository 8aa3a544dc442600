"""CKA against its definition, and a run compared with its teacher."""

import json
from dataclasses import replace

import pytest
import torch

from distill_lib import finished_run, paths
from distill_lib.__main__ import main
from distill_lib.data import SmallImages, load_data
from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.publish import publish
from distill_lib.recipes import get_recipe
from distill_lib.similarity import cka_matrix, linear_cka, read_cka
from distill_lib.training import fit


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_rotation_scale_and_offset_change_nothing():
    x = draw(60, 8)
    rotation, _ = torch.linalg.qr(draw(8, 8, seed=1))
    assert linear_cka(x, 3 * x @ rotation + 7).item() == pytest.approx(1)


def test_the_estimate_is_the_mean_over_quadruples():
    # Unbiased HSIC is the mean of h over all ordered quadruples of different samples.
    x, y = draw(7, 3), draw(7, 2, seed=1)

    def hsic(k, m):
        total, count = 0.0, 0
        for i in range(7):
            for j in range(7):
                for q in range(7):
                    for r in range(7):
                        if len({i, j, q, r}) == 4:
                            total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
                            count += 1
        return total / count

    k, m = x @ x.T, y @ y.T
    expected = hsic(k, m) / (hsic(k, k) * hsic(m, m)).sqrt()
    assert linear_cka(x, y).item() == pytest.approx(expected.item())


def test_independent_features_of_many_channels_are_near_zero():
    assert abs(linear_cka(draw(200, 5000), draw(200, 5000, seed=1))) < 0.02


def test_a_large_offset_costs_no_digits():
    x, y = draw(50, 8), draw(50, 8, seed=1)
    assert linear_cka(x + 1e4, y - 1e4).item() == pytest.approx(linear_cka(x, y).item(), abs=1e-9)
    alike = linear_cka((x + 100).float(), (2 * x + 100).float())
    assert alike.item() == pytest.approx(1, abs=1e-4)


def test_a_dead_stage_is_like_nothing():
    assert linear_cka(torch.ones(10, 4), draw(10, 4)) == 0


@pytest.mark.parametrize("sizes", [(5, 6), (3, 3)])
def test_samples_that_do_not_fit_are_refused(sizes):
    with pytest.raises(DistillError, match="at least 4"):
        linear_cka(draw(sizes[0], 2), draw(sizes[1], 2))


def test_a_network_with_itself_has_ones_on_the_diagonal():
    data = load_data("fashion", train_limit=10)
    model = build_model("wrn_10_1", 10)
    matrix, rows, columns = cka_matrix(model, model, data, images=40)
    assert rows == columns and matrix.shape == (3, 3)
    assert matrix.diagonal() == pytest.approx(torch.ones(3, dtype=torch.float64))
    assert model.training


def test_the_command_keeps_the_matrix_with_the_run_and_publish_takes_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path)
    whole = load_data("fashion", train_limit=50)
    few = SmallImages(
        whole.name,
        whole.classes,
        train=(whole.train_images, whole.train_labels),
        test=(whole.test_images[:50], whole.test_labels[:50]),
        augment=whole.augment,
    )
    record = fit(get_recipe("plain-fashion-wrn10_1", "smoke"), data=few, progress=False)
    assert main(["cka", str(record.path)]) == 2
    assert "no teacher is no recipe" in capsys.readouterr().err
    assert main(["cka", str(record.path), "--teacher", "plain-fashion-wrn16_2"]) == 0
    assert finished_run("plain-fashion-wrn16_2") is not None
    found = read_cka(publish(record, tmp_path / "shipped").path)
    assert found == json.loads((record.path / "cka.json").read_text())
    assert len(found["cka"]) == len(found["rows"]) == len(found["columns"]) == 3
    assert f"{found['cka'][2][2]:.3f}" in capsys.readouterr().out


def test_another_teacher_is_shown_and_not_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path)
    recipe = replace(get_recipe("kd-fashion-wrn16_2-wrn10_1", "smoke"), train_limit=50)
    record = fit(recipe, progress=False)
    assert main(["cka", str(record.path)]) == 0
    kept = read_cka(record.path)
    other = str(finished_run("plain-fashion-wrn16_2").path)
    assert main(["cka", str(record.path), "--teacher", other]) == 0
    assert other in capsys.readouterr().out and read_cka(record.path) == kept
