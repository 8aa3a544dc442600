"""Segmentation with DeepLabV3+: OFD's pairs on Pascal VOC, CamVid, and drawn shapes.

OFD's six taps are the last ReLU of each of the backbone's four stages, of ASPP and of the decoder,
all read at their input. MobileNetV2's stages end without a ReLU: the authors' code reads the
expansion of the block that follows, and of the last stage its output.
"""

from dataclasses import replace

from distill_lib.recipes.cifar import OFD_PAPER
from distill_lib.recipes.imagenet import CD_SETTINGS, STUDENT_EPOCHS
from distill_lib.recipes.imagenet import budgets as imagenet_budgets
from distill_lib.recipes.methods import at_a_tenth
from distill_lib.recipes.recipe import Optim, Published, Recipe
from distill_lib.recipes.specs import OFD, PixelCE

BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
"""Blocks of the four stages."""
DIVISORS = (8.0, 4.0, 2.0, 1.0, 1.0, 16.0)
"""Of the six taps (OFD authors' code)."""
WEIGHT, SMALL_WEIGHT = 1e-5, 1e-4
"""For images of 513 pixels (OFD authors' code), and for 176 and fewer, an eighth of the area."""
IMAGENET = {
    "resnet18": "weights:ResNet18_Weights.IMAGENET1K_V1",
    "resnet50": "weights:ResNet50_Weights.IMAGENET1K_V1",
    "resnet101": "weights:ResNet101_Weights.IMAGENET1K_V1",
    "mobilenet_v2": "weights:MobileNet_V2_Weights.IMAGENET1K_V1",
}
IMAGENETTE = {
    "resnet18": "ResNet18-B",
    "resnet50": "plain-imagenet-resnet50",
    "mobilenet_v2": "plain-imagenet-mobilenet_v2",
}
"""Encoder -> what it starts from, where ImageNet's weights are at hand and where they are not."""


def taps(encoder: str) -> tuple[str, ...]:
    """The six taps of a DeepLabV3+ with this encoder, finest stage first."""
    if encoder == "mobilenet_v2":
        stages = [f"encoder.features.{i}.conv.0.2:pre" for i in (4, 7, 14)]
        stages.append("encoder.features.17:post")
    else:
        stages = [f"encoder.layer{i}.{n - 1}.relu:pre" for i, n in enumerate(BLOCKS[encoder], 1)]
    return (*stages, "decoder.aspp.0.project.2:pre", "decoder.block2.2:pre")


README = "OFD authors' README, validation, Pascal VOC"
ALONE = {
    "resnet101": Published("teacher", source=README, miou=77.89),
    "resnet18": Published("student alone", source=README, miou=72.07),
    "mobilenet_v2": Published("student alone", source=README, miou=68.46),
}
DISTILLED = {
    "resnet18": Published("OFD", source=README, miou=73.98),
    "mobilenet_v2": Published("OFD", source=README, miou=71.19),
}
VOC = Recipe(
    name="",
    data="voc2012-seg",
    student="",
    terms=(PixelCE(),),
    image_size=513,
    optim=Optim(
        lr=0.007,
        nesterov=False,
        weight_decay=5e-4,
        schedule="poly",
        lr_factors=(("student.decoder", 10), ("student.head", 10), ("terms", 10)),
    ),
    batch_size=12,
    epochs=50,
    paper=OFD_PAPER,
    note="cross entropy divided by the pixels once, where the authors divide by the batch as well",
)
CAMVID = replace(
    VOC,
    data="camvid",
    image_size=176,
    batch_size=8,
    epochs=100,
    paper="no paper: OFD's segmentation on a small set",
    note="CamVid, 11 classes; the OFD authors' settings for Pascal VOC",
)
SHAPES = replace(
    CAMVID,
    data="shapes",
    image_size=64,
    epochs=60,
    paper="no paper: shapes that this project draws",
    note="drawn shapes, no pretrained encoder",
)
SMOKE_EPOCHS, SMOKE_IMAGES = 2, 48
"""The first may be the connectors' alone."""
TEACHER_EPOCHS, LAPTOP_EPOCHS, VOC_LAPTOP_EPOCHS = 32, 12, 2
SHAPES_TEACHER_EPOCHS, SHAPES_EPOCHS = 60, 20
"""At `laptop`: a teacher from few images needs more epochs than its students to be above them."""
TEACHER_TESTS = 4
"""Epochs of the teacher between two tests."""
SMOKE_NOTE = "drawn shapes and small networks: shows that it runs, and no more"


def _ofd(recipe: Recipe, teacher: str, student: str, weight: float) -> Recipe:
    """The same student with OFD's term, one epoch of it for the connectors alone."""
    term = OFD(
        weight=weight, divisors=DIVISORS, teacher_taps=taps(teacher), student_taps=taps(student)
    )
    return replace(recipe, terms=(PixelCE(), term), optim=replace(recipe.optim, connectors_first=1))


def _smoke(recipe: Recipe, student: str) -> Recipe:
    """A row at the smoke budget: a MobileNetV2 stays one, any ResNet is a ResNet-18."""
    student = student if student == "mobilenet_v2" else "resnet18"
    smoke = replace(
        SHAPES,
        name=recipe.name,
        budget="smoke",
        student=f"deeplabv3plus/{student}",
        epochs=SMOKE_EPOCHS,
        train_limit=SMOKE_IMAGES,
        paper=recipe.paper,
        published=recipe.published,
        note=SMOKE_NOTE,
    )
    if recipe.teacher is None:
        return smoke
    smoke = replace(smoke, teacher="plain-shapes-resnet18", teacher_mode=recipe.teacher_mode)
    return _ofd(smoke, "resnet18", student, SMALL_WEIGHT)


def _family(settings: Recipe, word: str, teacher: str, students: tuple[str, ...]) -> dict:
    """Teacher, students alone and students with OFD, each at the three budgets."""
    on_voc, drawn = settings.data == VOC.data, settings.data == SHAPES.data
    recipes = {}
    pairs = [(None, network) for network in dict.fromkeys((teacher, *students))]
    for of, network in (*pairs, *((teacher, student) for student in students)):
        # CamVid's rows stand beside Pascal VOC's numbers, which no paper has for CamVid.
        numbers = () if drawn or network not in ALONE else (ALONE[network],)
        paper = replace(
            settings,
            name=f"plain-{word}-{network}",
            student=f"deeplabv3plus/{network}",
            pretrained=None if drawn else IMAGENET[network],
            published=numbers,
        )
        if of is not None:
            paper = replace(
                _ofd(paper, of, network, WEIGHT if on_voc else SMALL_WEIGHT),
                name=f"ofd-{word}-{of}-{network}",
                teacher=f"plain-{word}-{of}",
                teacher_mode="eval" if drawn else "train",
                published=() if drawn else (DISTILLED[network], *numbers, ALONE["resnet101"]),
            )
        recipes[paper.name] = {
            "smoke": _smoke(paper, network),
            "laptop": _laptop(paper, of, network, is_teacher=network == teacher),
            "paper": paper,
        }
    return recipes


def _laptop(paper: Recipe, teacher: str | None, network: str, *, is_teacher: bool) -> Recipe:
    """On two slow cores: small images, few epochs, encoders that saw Imagenette."""
    if paper.data == SHAPES.data:
        epochs = SHAPES_TEACHER_EPOCHS if is_teacher else SHAPES_EPOCHS
        return replace(paper, budget="laptop", epochs=epochs)
    epochs = TEACHER_EPOCHS if is_teacher else LAPTOP_EPOCHS
    epochs = VOC_LAPTOP_EPOCHS if paper.data == VOC.data else epochs
    start = "encoder from Imagenette" if network in IMAGENETTE else "no pretrained encoder"
    laptop = replace(
        paper,
        budget="laptop",
        epochs=epochs,
        evaluate_every=TEACHER_TESTS if is_teacher else 1,
        image_size=CAMVID.image_size,
        batch_size=CAMVID.batch_size,
        pretrained=IMAGENETTE.get(network),
        note=f"{epochs} epochs, {CAMVID.image_size} pixels, {start}; {paper.note}",
    )
    return laptop if teacher is None else _ofd(laptop, teacher, network, SMALL_WEIGHT)


BACKBONE = replace(
    CD_SETTINGS,
    name="plain-imagenet-mobilenet_v2",
    student="mobilenet_v2",
    teacher_mode="eval",
    paper="the papers take published weights of this network",
    published=(Published("alone", 71.878, 90.286, "torchvision"),),
)
RECIPES = (
    {BACKBONE.name: imagenet_budgets(BACKBONE, STUDENT_EPOCHS)}
    | _family(SHAPES, "shapes", "resnet18", ("mobilenet_v2",))
    | _family(CAMVID, "camvid", "resnet50", ("resnet18", "mobilenet_v2"))
    | _family(VOC, "voc2012", "resnet101", ("resnet18", "mobilenet_v2"))
)
RECIPES |= at_a_tenth(RECIPES["ofd-shapes-resnet18-mobilenet_v2"])
SUITE = tuple(name for name in RECIPES if "-camvid-" in name)
SHAPES_SUITE = tuple(name for name in RECIPES if "-shapes-" in name)
"""CamVid's rows, and those of the drawn shapes, the teacher before its students."""
