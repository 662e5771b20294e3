"""Loads a file that `pyroclast export --layout` wrote into the network of that project, strictly, and compares outputs.

    pyroclast import unet.safetensors --out model.safetensors
    pyroclast export model.safetensors --layout torchcfm --out back.safetensors
    python-with-torch benches/peers/parity.py back.safetensors unet.safetensors

Arguments: the exported file, and a file with golden.x, golden.t, golden.y and golden.output. Needs torch, safetensors and
torchcfm, guided-diffusion or diffusers, whichever the file is for. Prints the largest difference of each sample in standard
deviations of its output, and ends with 1 if one is above 1e-4.
"""

import json
import sys

import torch
from safetensors import safe_open


def tensors(path):
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads((file.metadata() or {}).get("config", "{}"))


def only(config, names):
    """The arguments of these names that the file has."""
    return {name: config[name] for name in names if name in config}


def torchcfm(config):
    from torchcfm.models.unet.unet import UNetModelWrapper

    names = ["num_res_blocks", "channel_mult", "learn_sigma", "class_cond", "num_classes", "attention_resolutions", "num_heads"]
    names += ["num_head_channels", "num_heads_upsample", "use_scale_shift_norm", "dropout", "resblock_updown"]
    names += ["use_new_attention_order"]
    return UNetModelWrapper(dim=tuple(config["dim"]), num_channels=config["num_channels"], **only(config, names))


def guided_diffusion(config):
    from guided_diffusion.unet import UNetModel

    names = ["image_size", "in_channels", "model_channels", "out_channels", "num_res_blocks", "attention_resolutions", "dropout"]
    names += ["channel_mult", "conv_resample", "num_classes", "num_heads", "num_head_channels", "num_heads_upsample"]
    names += ["use_scale_shift_norm", "resblock_updown", "use_new_attention_order"]
    return UNetModel(**only(config, names))


def diffusers(config):
    from diffusers import UNet2DModel

    return UNet2DModel.from_config({key: value for key, value in config.items() if key != "layout"})


NETWORKS = {"torchcfm": torchcfm, "guided-diffusion": guided_diffusion, "diffusers-unet": diffusers}


def main():
    weights, config = tensors(sys.argv[1])
    golden = {key[7:]: value for key, value in tensors(sys.argv[2])[0].items() if key.startswith("golden.")}
    layout = config.get("layout")
    if layout not in NETWORKS:
        sys.exit(f"{sys.argv[1]} has the layout {layout}; known are {', '.join(NETWORKS)}")
    network = NETWORKS[layout](config).eval()
    network.load_state_dict(weights, strict=True)
    x, t, y = golden["x"], golden["t"], golden.get("y")
    with torch.no_grad():
        if layout == "torchcfm":
            output = network(t, x, y)
        elif layout == "diffusers-unet":
            output = network(x, t).sample
        else:
            output = network(x, t, y)
    expected = golden["output"]
    difference = (output - expected).abs().flatten(1).amax(1) / expected.flatten(1).std(1, correction=0)
    print(layout, " ".join(f"{value:.1e}" for value in difference.tolist()))
    sys.exit(int(difference.max() > 1e-4))


if __name__ == "__main__":
    main()
