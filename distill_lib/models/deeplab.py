"""DeepLabV3+ on the parts of segmentation-models-pytorch, at output stride 16.

Paper: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation (Chen et
al., ECCV 2018); the segmentation network of OFD's experiments. Differs from the OFD authors' code:
ASPP and decoder have separable convolutions, the decoder one where theirs has two, and ASPP reads
MobileNetV2's last layer (1280 channels) where theirs reads the one before (320).

OFD's six taps are the input of the last ReLU of each of the four stages, of ASPP's and of the
decoder's (the last ReLU before the head); `recipes.segmentation` names them.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.errors import DistillError, unknown_name

ENCODERS = ("resnet18", "resnet50", "resnet101", "mobilenet_v2")
STRIDE = 16


class DeepLabV3Plus(nn.Module):
    """Images (N, 3, H, W) of any size -> logits (N, K, H, W).

    Images are padded with zeros, to the right and below, to a multiple of 16: the taps see what
    the network sees, the padding included.

    Args:
        encoder: one of ENCODERS.
        num_classes: K.
    Raises:
        DistillError: segmentation-models-pytorch is missing.
    """

    def __init__(self, encoder: str, num_classes: int):
        super().__init__()
        try:
            import segmentation_models_pytorch as smp
        except ImportError as error:
            raise DistillError(
                f"model 'deeplabv3plus/{encoder}' needs segmentation-models-pytorch, which is not "
                'installed.\n  Install it: pip install -e ".[segmentation]"'
            ) from error
        network = smp.DeepLabV3Plus(
            encoder, encoder_weights=None, encoder_output_stride=STRIDE, classes=num_classes
        )
        self.encoder, self.decoder = network.encoder, network.decoder
        self.head = network.segmentation_head

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % STRIDE, 0, -height % STRIDE))
        return self.head(self.decoder(self.encoder(padded)))[..., :height, :width]

    def load_backbone(self, state: dict[str, Tensor]) -> None:
        """Start the encoder from a torchvision classification network; its classifier is left out.

        Raises:
            RuntimeError: the weights are of another network.
        """
        # smp's encoders drop the classifier's keys from the dictionary that they are given.
        self.encoder.load_state_dict(dict(state))


def deeplabv3plus(name: str, num_classes: int) -> DeepLabV3Plus:
    """The network that a name such as `deeplabv3plus/resnet50` stands for.

    Raises:
        DistillError: no such encoder.
    """
    encoder = name.partition("/")[2]
    if encoder not in ENCODERS:
        raise unknown_name("model", name, (f"deeplabv3plus/{known}" for known in ENCODERS))
    return DeepLabV3Plus(encoder, num_classes)
