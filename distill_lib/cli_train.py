"""`python -m distill_lib train`: recipes, suites of them, or a pair of your own."""

import argparse
import dataclasses
import itertools
import signal

from distill_lib.errors import DistillError
from distill_lib.paths import relative
from distill_lib.recipes import RECIPES, SUITES, Budget, Recipe, flatten, get_recipe
from distill_lib.records import RunRecord, finished_run

INTERRUPTED_BY = {signal.SIGINT: 130, signal.SIGTERM: 143}
MILESTONES = (50, 80, 90, 92, 93, 94, 95)
"""Per cent; the time to each is printed after a run."""
OWN_PAIR = ("--teacher", "--student", "--data")
NO_SETTINGS = ("name", "budget", "paper", "note", "published")
GROUPS = ("augment", "decay")
"""Fields that hold fields: these can be set where a recipe has them, and not added."""


def run_train(known: argparse.Namespace) -> int:
    """Train what was asked for, one recipe after the other, all of them before the next seed.

    Args:
        known: the options; `rest` is what argparse does not know: names of recipes and suites,
            then fields to set in each of them.
    """
    given = list(itertools.takewhile(lambda word: not word.startswith("-"), known.rest))
    fields = known.rest[len(given) :]
    if known.help or not given and known.terms is None:
        if fields and not known.help:
            raise DistillError(f"{fields[0]} comes before any recipe; name the recipe first.")
        known.parser.epilog = _epilog(given, known.budget)
        known.parser.print_help()
        return 0 if known.help else 2
    names = [name for word in given for name in SUITES.get(word, (word,))]
    if known.seeds and any(field.split("=")[0] == "--seed" for field in fields):
        raise DistillError("--seed and --seeds are both given; leave one out.")
    if known.terms is not None:
        recipes = [_own_pair(known, names, fields)]
    else:
        recipes = [_overridden(get_recipe(name, known.budget), fields) for name in names]
    if known.loss_list:
        recipes = [_with_loss_list(recipe, known.loss_list) for recipe in recipes]
    if known.seeds:
        recipes = [dataclasses.replace(r, seed=seed) for seed in known.seeds for r in recipes]
    if known.out and len(recipes) > 1:
        raise DistillError(f"--out names one folder, and {len(recipes)} runs are to be trained.")
    for recipe in recipes:
        if status := _train_one(known, recipe):
            return status
    return 0


def _train_one(known: argparse.Namespace, recipe: Recipe) -> int:
    from distill_lib.training import fit

    if known.with_teacher and recipe.teacher in RECIPES and finished_run(recipe.teacher) is None:
        teacher = fit(get_recipe(recipe.teacher, known.budget), device=known.device)
        if teacher.status == "interrupted":
            return _interrupted(teacher)
    record = fit(
        recipe,
        out=known.out,
        device=known.device,
        fresh=known.fresh,
        compile=known.compile,
        untrained_teacher=known.untrained_teacher,
    )
    if record.status == "interrupted":
        return _interrupted(record)
    last, best, metric = record.last, record.best, record.task.metric
    print(
        f"{record.name}: {record.task.metrics[metric]} {last[metric]:.2f} % after the last epoch "
        f"({last['epoch']}), {best[metric]:.2f} % after the best ({best['epoch']})\n"
        f"{speed(record)}\n{relative(record.path)}"
    )
    for kind, found in record.summary.get("odd_images", {}).items():
        print(f"odd images, {kind}: {found['count']}, such as {found['files'][0]}; see run.json")
    return 0


def speed(record: RunRecord) -> str:
    """Images/s of the last epoch, and when the run came by the milestones that it reached."""
    reached = ((value, record.seconds_to(value)) for value in MILESTONES)
    times = [f"{value} % after {seconds:,.0f} s" for value, seconds in reached if seconds]
    return ", ".join([f"{record.last['images_per_second']:,.0f} images/s", *times])


def _interrupted(record: RunRecord) -> int:
    print(f"interrupted; the same command goes on from the checkpoint in {relative(record.path)}")
    return INTERRUPTED_BY.get(int(record.reason.split()[-1]), 75)


def _own_pair(known: argparse.Namespace, names: list[str], fields: list[str]) -> Recipe:
    from distill_lib.recipes.own_pair import own_pair

    if names:
        raise DistillError(
            f"--terms {known.terms} makes a recipe of your own, and {names[0]} is given too.\n"
            "  Leave one out; a recipe's terms are set with --terms.0.weight and the like."
        )
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in OWN_PAIR:
        parser.add_argument(option)
    parser.add_argument("--image-size", "--image_size", type=int)
    named, others = parser.parse_known_args(fields)
    missing = [option for option in OWN_PAIR if getattr(named, option[2:]) is None]
    if missing:
        raise DistillError(f"--terms {known.terms} needs {', '.join(missing)} beside it.")
    recipe = own_pair(
        named.teacher, named.student, named.data, known.terms, known.budget, named.image_size
    )
    return _overridden(recipe, others)


def _with_loss_list(recipe: Recipe, file) -> Recipe:
    from distill_lib.loss_list import read_loss_list, specs_from_loss_list

    # The experiment's own data say it, not those that stand in for them at smoke.
    data = RECIPES[recipe.name]["paper"].data if recipe.name in RECIPES else recipe.data
    schedule = "cifar" if data.startswith("cifar") else "imagenet"
    return dataclasses.replace(
        recipe, terms=specs_from_loss_list(read_loss_list(file), data=schedule)
    )


def _overridden(recipe: Recipe, arguments: list[str]) -> Recipe:
    """The recipe with fields set on the command line, such as `--optim.lr 0.05`."""
    if not arguments:
        return recipe
    import tyro

    changed = tyro.cli(
        Recipe,
        default=recipe,
        args=arguments,
        prog=f"python -m distill_lib train {recipe.name}",
        config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff),
    )
    return dataclasses.replace(changed, name=recipe.name, budget=recipe.budget)


def _epilog(given: list[str], budget: Budget) -> str:
    """Every field of the recipe that can be set, a few to the line."""
    name = given[0] if given else "ofd-cifar10-wrn28_4-wrn16_2"
    recipe = get_recipe(SUITES.get(name, (name,))[0], budget)
    shown = [
        " ".join([f"--{key}", *_words(value)])
        for key, value in flatten(dataclasses.asdict(recipe)).items()
        if key.split(".")[0] not in NO_SETTINGS
        and not (value is None and key.split(".")[-1] in GROUPS)
    ]
    lines, line = [], " "
    for item in shown:
        if len(line) + len(item) > 96:
            lines.append(line)
            line = " "
        line += f" {item}"
    return "\n".join(
        [f"fields of {recipe.name} at {recipe.budget}, and their values:", *lines, line]
    )


def _words(value) -> list[str]:
    """A field's value as the command line takes it."""
    if isinstance(value, list):
        return [word for inner in value for word in _words(inner)]
    return [str(value)]
