"""The command line: every command calls what notebooks call, and has no logic of its own."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from distill_lib.cli_train import run_train
from distill_lib.errors import DistillError, unknown_name
from distill_lib.paths import relative
from distill_lib.recipes import BUDGETS, RECIPES, SUITES, as_dict, get_recipe
from distill_lib.records import find_records, load_record
from distill_lib.tables import markdown_table
from distill_lib.tasks import TASKS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it went well, 2 after bad input, 128 + signal if interrupted."""
    parser = _parser()
    known, known.rest = parser.parse_known_args(arguments)
    if known.rest and known.command is not run_train:
        parser.error(f"unknown arguments: {' '.join(known.rest)}")
    try:
        status = known.command(known) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except DistillError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m distill_lib", description="Feature distillation, explained and reproduced."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function, help: str, **options) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, **options)
        sub.set_defaults(command=function)
        return sub

    demo = command("demo", _demo, "train one student three ways and draw what happened")
    demo.add_argument("--budget", choices=BUDGETS, default="laptop")
    _device(demo)
    demo.add_argument("--fresh", action="store_true", help="train again, finished or not")

    listed = command("list", _list, "the recipes, as a table")
    listed.add_argument("suite", nargs="?", help=f"its rows alone: {', '.join(SUITES)}")

    train = command(
        "train",
        run_train,
        "train a recipe, resume it, or report its finished run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,  # --seed is a field of the recipe, not --seeds
        usage="python -m distill_lib train RECIPE ... [options] [--<field of it> VALUE ...]\n"
        f"  RECIPE: a name of `list`, or a suite: {', '.join(SUITES)}",
    )
    train.add_argument("--budget", choices=BUDGETS, default="laptop")
    train.add_argument("--out", type=Path, metavar="DIR", help="the run's folder")
    _device(train)
    train.add_argument("--fresh", action="store_true", help="delete an earlier run, start over")
    train.add_argument("--seeds", nargs="+", type=int, metavar="N", help="each recipe with each")
    train.add_argument("--with-teacher", action="store_true", help="first train the teacher too")
    train.add_argument("--untrained-teacher", action="store_true", help="accept an untrained one")
    train.add_argument("--compile", action="store_true", help="run through torch.compile")
    train.add_argument("--loss-list", type=Path, metavar="FILE", help="terms as CD's configuration")
    train.add_argument("--terms", help="such as ofd,kd: with --teacher, --student and --data")
    train.add_argument("-h", "--help", action="store_true")
    train.set_defaults(parser=train)

    test = command("test", _test, "accuracy of a run, or of a weights file with a recipe")
    test.add_argument("run", type=Path, help="a run's folder, or a .safetensors or .pt file")
    test.add_argument("--recipe", help="for a file: the recipe that says network and data")
    test.add_argument("--weights", choices=("last", "best"), default="last")
    test.add_argument("--metrics", nargs="+", help="of top1, top5, miou, map50, loss; all if none")
    _device(test)

    report = command("report", _report, "finished runs beside the published numbers")
    report.add_argument("runs", nargs="*", type=Path, help="folders; runs/ and results/ if none")
    report.add_argument("--out", type=Path, metavar="DIR", help="where report.md and .png go")
    report.add_argument("--all", action="store_true", help="write RESULTS.md, of results/ alone")

    data = command("data", _data, "which data sets are here; prepare or download one")
    data.add_argument("--prepare", metavar="NAME", help="decode it now, once")
    data.add_argument("--download", metavar="NAME", help="fetch it, checked, and decode it")
    data.add_argument("--check", metavar="NAME", help="open every image file, list the odd ones")

    cka = command("cka", _cka, "how alike a run's student and a teacher are, stage by stage")
    cka.add_argument("runs", nargs="+", type=Path, help="folders of finished runs with weights")
    cka.add_argument("--teacher", metavar="RECIPE", help="compare with its run; the run's own else")
    _device(cka)

    publish = command("publish", _publish, "copy a finished run's record to results/")
    publish.add_argument("run", type=Path)
    publish.add_argument("--weights", action="store_true", help="with half-precision weights")

    doctor = command("doctor", _doctor, "versions, devices, data, and a self-check")
    _device(doctor)
    return parser


def _device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _demo(known: argparse.Namespace) -> None:
    from distill_lib.demo import run_demo

    table, figure = run_demo(budget=known.budget, device=known.device, fresh=known.fresh)
    print(f"\n{table}\n\nFigure: {relative(figure)}")


def _list(known: argparse.Namespace) -> None:
    from distill_lib.report import published_text

    if known.suite and known.suite not in SUITES:
        raise unknown_name("suite", known.suite, SUITES)
    rows = []
    for name in SUITES.get(known.suite, RECIPES):
        budgets = RECIPES[name]
        paper = budgets["paper"]
        epochs = " / ".join(str(budgets[budget].epochs) for budget in BUDGETS)
        published = published_text(as_dict(paper)) or None
        rows.append([name, paper.data, paper.teacher, paper.student, epochs, published])
    header = ("recipe", "data", "teacher", "student", "epochs s/l/p", "published (%)")
    print(markdown_table(header, rows))


def _test(known: argparse.Namespace) -> None:
    from distill_lib.recipes import recipe_from_dict
    from distill_lib.training import evaluate, load_student
    from distill_lib.training.build import load_recipe_data
    from distill_lib.training.precision import choose_device
    from distill_lib.training.trained_networks import load_weights_file

    if known.run.is_file():
        if known.recipe is None:
            raise DistillError(
                f"{known.run} is a file of weights: which network and data?\n"
                "  Say --recipe plain-cifar10-wrn16_2 (or another of `list`)."
            )
        recipe = get_recipe(known.recipe)
        data = load_recipe_data(recipe, choose_device(known.device))
        model = load_weights_file(known.run, recipe.student, data.num_classes)
    else:
        record = load_record(known.run)
        recipe = recipe_from_dict(record.recipe)
        model = load_student(record, known.weights)
        data = load_recipe_data(recipe, choose_device(known.device))
    there = (*TASKS[data.task].metrics, "loss")
    wanted = known.metrics or there
    for name in wanted:
        if name not in there:
            raise unknown_name(f"metric of {data.task}", name, there)
    metrics = evaluate(model.to(data.device), data)
    for name in wanted:
        unit = "" if name == "loss" else " %"
        print(f"{name} {metrics[name]:.4g}{unit} on {metrics['images']:,} test images")


def _report(known: argparse.Namespace) -> None:
    from distill_lib import paths
    from distill_lib.report import write_report, write_results

    if known.all:
        if known.runs or known.out:
            raise DistillError("report --all is of results/ and writes RESULTS.md; name no folder.")
        print("\n".join(relative(file) for file in write_results()))
        return
    for folder in known.runs:
        if not folder.is_dir():
            raise DistillError(f"{folder} is no folder; expected a run, or a folder of runs.")
    table, files = write_report(find_records(*known.runs), known.out or paths.runs_dir())
    print(table)
    print(f"\n{', '.join(relative(file) for file in files)}")


def _data(known: argparse.Namespace) -> int | None:
    from distill_lib.data import data_status, prepare

    if known.download:
        prepare(known.download, download=True)
    if known.prepare:
        prepare(known.prepare)
    if known.check:
        return _check_data(known.check)
    rows = [[s.name, s.size, "yes" if s.found else "no", s.where] for s in data_status()]
    print(markdown_table(("data set", "size", "here", "where, or how to get it"), rows))
    return None


def _check_data(name: str) -> int:
    from distill_lib.data import check_files, load_data
    from distill_lib.data.check_images import REFUSED
    from distill_lib.data.image_files import UNREADABLE, summary_of

    found = dict(check_files(name))
    odd = {file: what for file, what in found.items() if what}
    for file, what in odd.items():
        print(f"{file}: {what}")
    kinds = {kind: files["count"] for kind, files in summary_of(odd).items()}
    counts = [f"{len(found):,} files"] * bool(found) + [f"{n} {kind}" for kind, n in kinds.items()]
    if REFUSED not in kinds:
        load_data(name)  # a set in memory is compared with its digest; folders, with each other
        counts.append("trained on without these" if UNREADABLE in kinds else "can be trained on")
    print(f"{name}: {', '.join(counts)}")
    return 1 if {REFUSED, UNREADABLE} & kinds.keys() else 0


def _cka(known: argparse.Namespace) -> None:
    from distill_lib.similarity import compare_runs

    for folder in known.runs:
        print(compare_runs(load_record(folder), known.teacher, known.device))


def _publish(known: argparse.Namespace) -> None:
    from distill_lib.publish import publish

    print(relative(publish(load_record(known.run), weights=known.weights).path))


def _doctor(known: argparse.Namespace) -> int:
    from distill_lib.doctor import examine

    lines, well = examine(known.device)
    print("\n".join(lines))
    return 0 if well else 1
