"""Features of FID's Inception network by torchvision, to check those of `pyroclast distance --inception` against.

    python inception.py WEIGHTS.pth PICTURES.npz STATISTICS.npz
    pyroclast distance PICTURES.npz STATISTICS.npz --inception WEIGHTS.pth      # prints a Fréchet distance near 0

PICTURES.npz holds 8-bit pictures in arr_0, [n, height, width, 3]. WEIGHTS.pth is pytorch-fid's file; if there is none,
random weights are written there first. Pictures are resized as pytorch-fid does. Needs torch, torchvision and numpy.
"""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models import inception

POOL = F.avg_pool2d


def mean_without_padding(x, kernel_size, stride, padding):
    return POOL(x, kernel_size, stride, padding, count_include_pad=False)


class LastBlock(inception.InceptionE):
    """The block whose pooled branch takes a maximum."""

    def _forward(self, x):
        inception.F.avg_pool2d = F.max_pool2d
        try:
            return super()._forward(x)
        finally:
            inception.F.avg_pool2d = mean_without_padding


def network():
    net = inception.inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    net.Mixed_7c = LastBlock(2048)
    net.fc = torch.nn.Identity()
    return net.eval()


def main():
    weights, pictures, out = sys.argv[1:4]
    torch.manual_seed(0)
    net = network()
    if not os.path.exists(weights):
        with torch.no_grad():
            for name, value in net.named_buffers():
                if name.endswith("running_var"):
                    value.uniform_(0.6, 0.9)
                elif name.endswith("running_mean"):
                    value.normal_(0, 0.1)
            for name, value in net.named_parameters():
                if value.dim() > 1:
                    value.normal_(0, (2 / value[0].numel()) ** 0.5)
                elif name.endswith("bn.weight"):
                    value.uniform_(0.9, 1.1)
                else:
                    value.normal_(0, 0.1)
        torch.save(net.state_dict(), weights)
    net.load_state_dict(torch.load(weights, weights_only=True), strict=False)
    inception.F.avg_pool2d = mean_without_padding
    x = torch.from_numpy(np.load(pictures)["arr_0"]).permute(0, 3, 1, 2)
    features = []
    with torch.no_grad():
        for chunk in x.split(16):
            resized = F.interpolate(chunk.float() / 255, (299, 299), mode="bilinear", align_corners=False)
            features.append(net(2 * resized - 1).double())
    features = torch.cat(features).numpy()
    np.savez(out, mu=features.mean(0), sigma=np.cov(features, rowvar=False))
    print(f"{len(features)} rows, mean {features.mean():.4f}, trace {np.trace(np.cov(features, rowvar=False)):.4f}")


main()
