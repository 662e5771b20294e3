"""Takes networks of other projects here and back, and compares outputs and tensors on the way.

    python-with-torch benches/peers/parity.py --command target/release/pyroclast --references DIR
    python-with-torch benches/peers/parity.py back.safetensors outputs.safetensors --references DIR

The first line builds small networks of every layout with random numbers, by the projects' own code. Each is saved with its
outputs, imported with --verify, exported, loaded strictly into a new network, and run again. A line per network has the largest
difference of the outputs here and of those after the way back, in standard deviations, and whether every tensor came back to
the bit. With --double everything is computed in double precision, there and here, and differences are to be below 1e-10: the
projects' own casts to single precision are replaced by casts to double.

The second line does the last steps for a file that `pyroclast export --layout` wrote and one with golden.x, golden.t, golden.y
and golden.output, save for taesd and latent-diffusion, whose files do not say enough. Both end with 1 if a difference is above 1e-4, a tensor has changed, or nothing could be tried.

Needs torch, numpy and safetensors. torchcfm, diffusers, timm and einops are packages; DIR has checkouts of those projects that
are none: guided-diffusion, flow_matching, edm, DiT, SiT, taesd, latent-diffusion. What is not there is left out, by name.
"""

import argparse
import importlib
import importlib.util
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import save_file

LIMIT = 1e-4
SINGLE = torch.float32
REFERENCES = pathlib.Path(".")


def of_folder(folder, module):
    """A module of a project's checkout, whose packages are named from that folder on."""
    path = REFERENCES / folder
    if not path.is_dir():
        raise ImportError(f"{path} is not there")
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
    return importlib.import_module(module)


def of_file(name, path):
    """A module in a file; several projects call theirs models.py."""
    path = REFERENCES / path
    if not path.is_file():
        raise ImportError(f"{path} is not there")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_double():
    """From here on, what asks for single precision gets double."""
    global LIMIT
    LIMIT = 1e-10
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float64
    torch.Tensor.float = torch.Tensor.double


def only(config, names):
    """The arguments of these names that the configuration has."""
    return {name: config[name] for name in names.split() if name in config}


def without(config, *names):
    return {name: value for name, value in config.items() if name not in names}


def one_hot(y, classes):
    """Classes as EDM takes them: a row of zeros for none."""
    return None if y is None else torch.nn.functional.one_hot(y, classes + 1)[:, :classes].float()


# Each project: its network for the arguments in a file, and what that makes of the inputs.


def torchcfm(config):
    from torchcfm.models.unet.unet import UNetModelWrapper

    names = "num_res_blocks channel_mult learn_sigma class_cond num_classes attention_resolutions num_heads num_head_channels"
    names += " num_heads_upsample use_scale_shift_norm dropout resblock_updown use_new_attention_order"
    net = UNetModelWrapper(dim=tuple(config["dim"]), num_channels=config["num_channels"], **only(config, names))
    return net, lambda golden: {"output": net(golden["t"], golden["x"], golden.get("y"))}


ADM = "image_size in_channels model_channels out_channels num_res_blocks attention_resolutions dropout channel_mult"
ADM += " conv_resample num_classes num_heads num_head_channels num_heads_upsample use_scale_shift_norm resblock_updown"
ADM += " use_new_attention_order"


def guided_diffusion(config):
    net = of_folder("guided-diffusion", "guided_diffusion.unet").UNetModel(**only(config, ADM))
    return net, lambda golden: {"output": net(golden["x"], golden["t"], golden.get("y"))}


def flow_matching(config):
    net = of_folder("flow_matching/examples/image", "models.unet").UNetModel(**only(config, ADM))
    extra = lambda golden: {} if "y" not in golden else {"label": golden["y"]}
    return net, lambda golden: {"output": net(golden["x"], golden["t"], extra(golden))}


def edm(network):
    def build(config):
        net = getattr(of_folder("edm", "training.networks"), network)(**without(config, "layout"))
        labels = lambda golden: one_hot(golden.get("y"), config["label_dim"])
        return net, lambda golden: {"output": net(golden["x"], golden["t"], labels(golden))}

    return build


def diffusers_unet(config):
    from diffusers import UNet2DModel

    net = UNet2DModel.from_config(without(config, "layout"))
    labels = lambda golden: {} if "y" not in golden else {"class_labels": golden["y"]}
    return net, lambda golden: {"output": net(golden["x"], golden["t"], **labels(golden)).sample}


def transformer(project, name):
    def build(config):
        net = getattr(of_file(f"{project}_models", f"{project}/models.py"), name)(**without(config, "layout", "diffusion_steps"))
        return net, lambda golden: {"output": net(golden["x"], golden["t"], golden["y"])}

    return build


def diffusers_autoencoder(config):
    from diffusers import AutoencoderKL

    net = AutoencoderKL.from_config(without(config, "layout"))

    def run(golden):
        posterior = net.encode(golden["x"]).latent_dist
        moments = posterior.parameters
        return {"moments": moments, "latent": posterior.mean, "output": net.decode(posterior.mean).sample}

    return net, run


def latent_diffusion(config):
    """The parts of its AutoencoderKL, whose training needs an old version of Lightning."""
    model = of_folder("latent-diffusion", "ldm.modules.diffusionmodules.model")
    arguments, z = config["ddconfig"], config["ddconfig"]["z_channels"]
    net = torch.nn.Module()
    net.encoder, net.decoder = model.Encoder(**arguments), model.Decoder(**arguments)
    net.quant_conv = torch.nn.Conv2d(2 * z, 2 * config["embed_dim"], 1)
    net.post_quant_conv = torch.nn.Conv2d(config["embed_dim"], z, 1)

    def run(golden):
        moments = net.quant_conv(net.encoder(golden["x"]))
        latent = moments.chunk(2, 1)[0]
        return {"moments": moments, "latent": latent, "output": net.decoder(net.post_quant_conv(latent))}

    return net, run


class Halves(torch.nn.Module):
    """TAESD's encoder and decoder, which are separate files there."""

    def __init__(self, model, latent_channels, pools):
        super().__init__()
        self.encoder = model.Encoder(latent_channels, use_midblock_gn=pools)
        self.decoder = model.Decoder(latent_channels, use_midblock_gn=pools)


def taesd(config):
    net = Halves(of_file("taesd_model", "taesd/taesd.py"), config["latent_channels"], config["pools"])

    def run(golden):
        latent = net.encoder(golden["x"])
        return {"latent": latent, "output": net.decoder(latent)}

    return net, run


def diffusers_tiny(config):
    from diffusers import AutoencoderTiny

    net = AutoencoderTiny.from_config(without(config, "layout"))

    def run(golden):
        latent = net.encode(golden["x"]).latents
        return {"latent": latent, "output": net.decode(latent).sample}

    return net, run


PROJECTS = {
    "torchcfm": torchcfm,
    "guided-diffusion": guided_diffusion,
    "flow-matching": flow_matching,
    "edm-ddpmpp": edm("SongUNet"),
    "edm-adm": edm("DhariwalUNet"),
    "diffusers-unet": diffusers_unet,
    "dit": transformer("DiT", "DiT"),
    "sit": transformer("SiT", "SiT"),
    "diffusers-autoencoder-kl": diffusers_autoencoder,
    "latent-diffusion": latent_diffusion,
    "taesd": taesd,
    "diffusers-autoencoder-tiny": diffusers_tiny,
}

# Two networks of each project, which between them have the values that it can choose.
SMALL = {"num_res_blocks": 1, "channel_mult": [1, 2]}
WRAPPED = {"dim": [3, 16, 16], "num_channels": 32, "attention_resolutions": "8", "num_heads": 2, **SMALL}
PLAIN = {"image_size": 16, "in_channels": 3, "out_channels": 3, "model_channels": 32, "attention_resolutions": [2], **SMALL}
SHIFTED = {"use_scale_shift_norm": True, "resblock_updown": True, "num_classes": 7}
KARRAS = {"img_resolution": 16, "in_channels": 3, "out_channels": 3, "model_channels": 32, "channel_mult": [1, 2]}
KARRAS |= {"num_blocks": 2, "attn_resolutions": [8]}
UNET_2D = {"sample_size": 16, "in_channels": 3, "out_channels": 3, "block_out_channels": [32, 64], "layers_per_block": 1}
TRANSFORMER = {"input_size": 8, "in_channels": 4, "hidden_size": 64, "depth": 2, "num_heads": 4, "num_classes": 7}
DOWN, UP = ["DownEncoderBlock2D"] * 2, ["UpDecoderBlock2D"] * 2
KL = {"in_channels": 3, "out_channels": 3, "norm_num_groups": 16, "down_block_types": DOWN, "up_block_types": UP}
COMPVIS = {"ch": 32, "out_ch": 3, "num_res_blocks": 1, "attn_resolutions": [], "in_channels": 3, "resolution": 16}
CASES = [
    ("torchcfm", {**WRAPPED, "num_head_channels": 16}),
    ("torchcfm", {**WRAPPED, **SHIFTED, "class_cond": True, "use_new_attention_order": True}),
    ("guided-diffusion", {**PLAIN, **SHIFTED, "out_channels": 6, "num_head_channels": 16}),
    ("guided-diffusion", {**PLAIN, "channel_mult": [0.5, 1], "model_channels": 64, "num_heads": 4, "num_heads_upsample": 2}),
    ("flow-matching", {**PLAIN, "conv_resample": False, "use_scale_shift_norm": True, "use_new_attention_order": True, "num_heads": 1}),
    ("flow-matching", {**PLAIN, **SHIFTED, "use_new_attention_order": True, "num_head_channels": 16}),
    ("edm-ddpmpp", {**KARRAS, "label_dim": 0, "augment_dim": 9}),
    ("edm-ddpmpp", {**KARRAS, "label_dim": 7, "augment_dim": 0, "channel_mult": [2, 2]}),
    ("edm-adm", {**KARRAS, "label_dim": 7, "augment_dim": 9, "model_channels": 64}),
    ("edm-adm", {**KARRAS, "label_dim": 0, "augment_dim": 0, "model_channels": 64, "attn_resolutions": [16, 8]}),
    ("diffusers-unet", {**UNET_2D, "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
                        "up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "downsample_padding": 0, "flip_sin_to_cos": False,
                        "freq_shift": 1, "norm_eps": 1e-6, "norm_num_groups": 16, "attention_head_dim": None}),
    ("diffusers-unet", {**UNET_2D, "down_block_types": ["ResnetDownsampleBlock2D", "AttnDownBlock2D"],
                        "up_block_types": ["AttnUpBlock2D", "ResnetUpsampleBlock2D"], "resnet_time_scale_shift": "scale_shift",
                        "attn_norm_num_groups": 32, "num_class_embeds": 7, "downsample_type": "resnet",
                        "upsample_type": "resnet"}),
    ("dit", {**TRANSFORMER, "patch_size": 2}),
    ("dit", {**TRANSFORMER, "patch_size": 4, "learn_sigma": False, "class_dropout_prob": 0.0, "mlp_ratio": 2.0}),
    ("sit", {**TRANSFORMER, "patch_size": 2}),
    ("sit", {**TRANSFORMER, "patch_size": 4, "learn_sigma": False, "hidden_size": 96}),
    ("diffusers-autoencoder-kl", {**KL, "block_out_channels": [16, 32], "latent_channels": 4}),
    ("diffusers-autoencoder-kl", {**KL, "block_out_channels": [32, 32], "latent_channels": 6, "use_quant_conv": False,
                                  "use_post_quant_conv": False, "layers_per_block": 2}),
    ("latent-diffusion", {"embed_dim": 4, "ddconfig": {**COMPVIS, "ch_mult": [1, 2], "z_channels": 4, "double_z": True}}),
    ("latent-diffusion", {"embed_dim": 3, "ddconfig": {**COMPVIS, "ch_mult": [1, 1, 2], "z_channels": 3, "double_z": True}}),
    ("taesd", {"latent_channels": 4, "pools": False}),
    ("taesd", {"latent_channels": 32, "pools": True}),
    ("diffusers-autoencoder-tiny", {"in_channels": 3, "out_channels": 3, "latent_channels": 4}),
    ("diffusers-autoencoder-tiny", {"in_channels": 3, "out_channels": 3, "latent_channels": 16,
                                    "encoder_block_out_channels": [32] * 4, "decoder_block_out_channels": [32] * 4}),
]


def randomise(net, generator):
    """Numbers of ordinary size for all parameters, those that start at zero too, which single precision holds."""
    for name, parameter in net.named_parameters():
        if name == "pos_embed":
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            scale = 0.9 / math.sqrt(parameter[0].numel())
            parameter.data = noise * (0.5 if "embedding_table" in name or "label_emb" in name else scale)
            if name == "label_emb.weight" and getattr(net.label_emb, "padding_idx", None) is not None:
                parameter.data[net.label_emb.padding_idx] = 0.0
        else:
            parameter.data = 0.1 * noise + float(name.endswith("weight"))
    for parameter in net.parameters():
        parameter.data = parameter.data.to(SINGLE).to(parameter.dtype)


def inputs(layout, config, generator):
    """Three inputs of three sizes, with times as the project has them."""
    latent = layout in ("dit", "sit")
    autoencodes = "autoencoder" in layout or layout in ("latent-diffusion", "taesd")
    side = 8 if latent else 32 if "tiny" in layout or layout == "taesd" else 16
    x = torch.randn(3, 4 if latent else 3, side, side, generator=generator) * torch.tensor([1, 0.5, 0.02]).view(3, 1, 1, 1)
    golden = {"x": x}
    if not autoencodes:
        index = layout in ("guided-diffusion", "diffusers-unet", "dit")
        golden["t"] = torch.tensor([3.0, 500.0, 999.0] if index else [-0.4, 0.1, 0.9] if "edm" in layout else [0.05, 0.5, 0.95])
        classes = max(config.get(key) or 0 for key in ("num_classes", "label_dim", "num_class_embeds"))
        if classes:
            golden["y"] = torch.tensor([0, classes // 2, classes - 1])
    return golden


def difference(found, expected):
    """The largest difference in a sample, in standard deviations of what is expected of it."""
    found, expected = found.double().flatten(1), expected.double().flatten(1)
    return ((found - expected).abs().amax(1) / expected.std(1, correction=0)).max().item()


def to_the_bit(a, b):
    return a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()


def read(path):
    asked, torch.float32 = torch.float32, SINGLE
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads((file.metadata() or {}).get("config", "{}"))
    finally:
        torch.float32 = asked


def back(layout, config, weights, golden):
    """The largest difference of a new network with these weights from the outputs."""
    net, run = PROJECTS[layout](config)
    # Buffers that are no weights, such as EDM's filters, are no part of every file.
    missing, unexpected = net.load_state_dict(weights, strict=False)
    buffers = {name for name, _ in net.named_buffers()}
    assert not unexpected and set(missing) <= buffers, f"missing {missing}, unexpected {unexpected}"
    with torch.no_grad():
        found = run_all(net, run, golden)
    return torch.tensor([difference(found[name], golden[name]) for name in found]).max().item()


def run_all(net, run, golden):
    net.eval()
    return run({name: value.clone() for name, value in golden.items()})


def there_and_back(command, layout, config, folder):
    generator = torch.Generator().manual_seed(0)
    net, run = PROJECTS[layout](config)
    randomise(net, generator)
    golden = inputs(layout, config, generator)
    with torch.no_grad():
        golden |= run_all(net, run, golden)
    weights = {key: value.to(SINGLE).contiguous() for key, value in net.state_dict().items()}
    files = ["encoder", "decoder"] if layout == "taesd" else [""]
    stored = {name: value.clone().contiguous() for name, value in golden.items()}
    path = lambda kind, half: str(folder / f"{kind}-{half}.safetensors")
    metadata = {"config": json.dumps({"layout": layout, **config})}
    save_file({f"golden.{name}": value for name, value in stored.items()}, path("golden", ""), metadata)
    for half in files:
        part = {key: value for key, value in weights.items() if key.startswith(half)}
        save_file({key.removeprefix(f"{half}."): value for key, value in part.items()}, path("theirs", half), metadata)

    def pyroclast(*arguments):
        done = subprocess.run([command, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    decoder = lambda kind: ["--decoder", path(kind, "decoder")] if len(files) > 1 else []
    model = path("model", "")
    report = pyroclast("import", path("theirs", files[0]), *decoder("theirs"), "--layout", layout, "--verify", path("golden", ""),
                       "--out", model, "--json")
    here = json.loads(report)["differences"]
    here = max(max(d) if isinstance(d, list) else d for d in (here.values() if isinstance(here, dict) else here))
    pyroclast("export", model, "--layout", layout, "--out", path("again", files[0]), *decoder("again"))
    returned = {}
    for half in files:
        part, said = read(path("again", half))
        returned |= {f"{half}.{key}" if half else key: value for key, value in part.items()}
    # What the file says builds the network, save what no layout of files holds.
    said = config if layout in ("taesd", "latent-diffusion") else said
    same = returned.keys() <= weights.keys() and all(to_the_bit(weights[key], value) for key, value in returned.items())
    return here, back(layout, said, returned, golden), same


def all_layouts(command):
    passed, tried = True, 0
    print(f"{'layout':<28}{'parameters':>12}{'here':>10}{'and back':>10}  tensors")
    for layout, config in CASES:
        try:
            net, _ = PROJECTS[layout](config)
        except ImportError as error:
            print(f"{layout:<28}left out: {error}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            here, there, same = there_and_back(command, layout, config, pathlib.Path(folder))
        count = sum(parameter.numel() for parameter in net.parameters())
        print(f"{layout:<28}{count:>12}{here:>10.1e}{there:>10.1e}  {'the same' if same else 'CHANGED'}", flush=True)
        passed &= same and here <= LIMIT and there <= LIMIT
        tried += 1
    return tried > 0 and passed


def one_file(file, outputs):
    weights, config = read(file)
    golden = {key[7:]: value for key, value in read(outputs)[0].items() if key.startswith("golden.")}
    layout = config.get("layout")
    known = [name for name in PROJECTS if name not in ("taesd", "latent-diffusion")]
    if layout not in known:
        sys.exit(f"{file} has the layout {layout}; files say enough to build a network of {', '.join(known)}")
    found = back(layout, config, weights, golden)
    print(f"{layout} {found:.1e}")
    return found <= LIMIT


def main():
    global REFERENCES
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="an exported file, and one with outputs")
    parser.add_argument("--command", help="the command pyroclast; tries all layouts")
    parser.add_argument("--double", action="store_true", help="compute in double precision")
    parser.add_argument("--references", type=pathlib.Path, default=REFERENCES, help="a folder of checkouts")
    arguments = parser.parse_args()
    REFERENCES = arguments.references.resolve()
    if arguments.double:
        in_double()
    if (arguments.command is None) == (len(arguments.files) != 2):
        parser.error("give --command, or two files")
    passed = all_layouts(arguments.command) if arguments.command else one_file(*arguments.files)
    sys.exit(int(not passed))


if __name__ == "__main__":
    main()
