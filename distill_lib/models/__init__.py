"""One registry of networks: ours, torchvision's, and timm's where it is installed.

build_model("wrn_16_2", num_classes=10)
build_model("resnet56_cifar", num_classes=100)            # three stages, He et al. on CIFAR
build_model("resnet50_stem3x3", num_classes=100)          # torchvision's, 3x3 stem, no max-pool
build_model("pyramidnet_110_84", num_classes=100)         # basic blocks
build_model("pyramidnet_200_240_bottleneck", num_classes=100)
build_model("mobilenet_v1", num_classes=1000)
build_model("deeplabv3plus/resnet50", num_classes=11)      # segmentation: logits (N, K, H, W)
build_model("ssd/resnet50", num_classes=3)                # detection: raw predictions
build_model("torchvision/resnet18", num_classes=100)      # or just "resnet18"
build_model("timm/mobilenetv3_small_100", num_classes=10)
"""

import re

from torch import nn

from distill_lib.errors import DistillError, unknown_name
from distill_lib.models.deeplab import ENCODERS, deeplabv3plus
from distill_lib.models.mobilenet import mobilenet_v1
from distill_lib.models.pyramidnet import pyramidnet
from distill_lib.models.resnet_cifar import TORCHVISION_DEPTHS, cifar_resnet, stem3x3_resnet
from distill_lib.models.wide_resnet import wide_resnet


def _ssd(name: str, num_classes: int) -> nn.Module:
    from distill_lib.models.ssd import ssd  # builds on torchvision, which takes its time to load

    return ssd(name, num_classes)


OURS = {
    re.compile(r"wrn_\d+_\d+"): wide_resnet,
    re.compile(r"resnet\d+_cifar"): cifar_resnet,
    re.compile(r"resnet\d+_stem3x3"): stem3x3_resnet,
    re.compile(r"mobilenet_v1"): mobilenet_v1,
    re.compile(r"pyramidnet_\d+_\d+(_bottleneck)?"): pyramidnet,
    re.compile(r"deeplabv3plus/.*"): deeplabv3plus,
    re.compile(r"ssd/.*"): _ssd,
}
"""A pattern of names -> function(name, num_classes)."""
EXAMPLES = (
    *("wrn_10_1", "wrn_16_1", "wrn_16_2", "wrn_16_4", "wrn_28_2", "wrn_28_4", "wrn_40_2"),
    *("resnet20_cifar", "resnet32_cifar", "resnet44_cifar", "resnet56_cifar", "resnet110_cifar"),
    *(f"resnet{depth}_stem3x3" for depth in TORCHVISION_DEPTHS),
    "mobilenet_v1",
    *("pyramidnet_110_84", "pyramidnet_200_240_bottleneck"),
)
"""The usual names; the patterns build further ones, such as `pyramidnet_20_12` for a smoke test."""
DENSE_EXAMPLES = (
    *(f"deeplabv3plus/{encoder}" for encoder in ENCODERS),
    *(f"ssd/resnet{depth}" for depth in TORCHVISION_DEPTHS),
)
"""Networks that answer for pixels or boxes."""


def build_model(name: str, num_classes: int) -> nn.Module:
    """A network by its name, randomly initialised from torch's global generator.

    Args:
        name: one of ours (`wrn_<depth>_<width>`, `resnet<depth>_cifar`,
            `resnet<depth>_stem3x3`, `mobilenet_v1`, `pyramidnet_<depth>_<alpha>[_bottleneck]`),
            a torchvision classification network (with or without `torchvision/`),
            `timm/<name>`; for pixels `deeplabv3plus/<encoder>`, for boxes `ssd/<resnet>`.
        num_classes: K, the length of the logits.
    Returns:
        a network from images (N, 3, H, W) to logits (N, K); for pixels (N, K, H, W), for boxes
        `Predictions`.
    Raises:
        DistillError: nothing has this name (the nearest names are given), its depth or width is
            impossible, or timm or segmentation-models-pytorch is missing.
    """
    if num_classes < 1:
        raise DistillError(f"num_classes is {num_classes}; expected 1 or more.")
    for pattern, build in OURS.items():
        if pattern.fullmatch(name):
            return build(name, num_classes)
    if name.startswith("timm/"):
        return _build_timm(name.removeprefix("timm/"), num_classes)
    return _build_torchvision(name.removeprefix("torchvision/"), num_classes)


def list_models() -> list[str]:
    """Our own networks' usual names, then torchvision's; other depths and widths are built too."""
    return [*EXAMPLES, *DENSE_EXAMPLES, *_torchvision_names()]


def _torchvision_names() -> list[str]:
    import torchvision.models

    return torchvision.models.list_models(module=torchvision.models)


def _build_torchvision(name: str, num_classes: int) -> nn.Module:
    import torchvision.models

    if name not in _torchvision_names():
        raise unknown_name("model", name, list_models())
    # These two would return a tuple in train mode, and warn of a future default unless told.
    inception = name in ("googlenet", "inception_v3")
    options = {"init_weights": True, "aux_logits": False} if inception else {}
    return torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)


def _build_timm(name: str, num_classes: int) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise DistillError(
            f"model 'timm/{name}' needs timm, which is not installed.\n"
            '  Install it: pip install -e ".[zoo]"'
        ) from error
    try:
        if timm.is_model(name):
            return timm.create_model(name, pretrained=False, num_classes=num_classes)
    except RuntimeError as error:
        if "Invalid pretrained tag" not in str(error):  # of resnet18.<tag>
            raise
    raise unknown_name("model", f"timm/{name}", (f"timm/{m}" for m in timm.list_models()))
