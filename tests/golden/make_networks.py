"""Writes tests/golden/network_*.json: the results of PyTorch for networks with weights from a formula.

Each file has the names and shapes of the state dict, the logits for an input from the formula, and for every trained
tensor the norm of the gradient and its inner products with four random vectors of signs. All is computed in double
precision, as the reference for single precision. Run: python tests/golden/make_networks.py [NAME...]
"""
import json
import pathlib
import re
import sys

import numpy as np
import timm
import torch
import torchvision.models as tv
from timm.models.regnet import RegNet, RegNetCfg
from timm.models.vgg import ConvMlp
from torch import nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.regnet import BlockParams
from transformers import (ConvNextConfig, ConvNextForImageClassification, ConvNextV2Config,
                          ConvNextV2ForImageClassification, RegNetConfig, RegNetForImageClassification, ViTConfig,
                          ViTForImageClassification)

import formula
from cifar import CifarResNet
from lite import EfficientNetLite0

CLASSES = 16
IMAGES = 2
INPUTS = 48  # to choose from
HIDDEN = 48  # features of the hidden layers of AlexNet and VGG; the families accept any width, and 4096 would be slow


def narrow(model, *linears):
    """Replaces the three linear layers of a torchvision classifier by narrow ones."""
    a, b, c = linears
    model.classifier[a] = nn.Linear(model.classifier[a].in_features, HIDDEN)
    model.classifier[b] = nn.Linear(HIDDEN, HIDDEN)
    model.classifier[c] = nn.Linear(HIDDEN, CLASSES)
    return model


def narrow_timm(model):
    model.pre_logits = ConvMlp(512, HIDDEN, 7, drop_rate=0.5)
    model.head.fc = nn.Linear(HIDDEN, CLASSES)
    return model


class SavedViT(nn.Module):
    """transformers' ViT with the names that its files have, which are those of earlier versions."""
    NAMES = {"vit.layers": "vit.encoder.layer", "attention.q_proj": "attention.attention.query",
             "attention.k_proj": "attention.attention.key", "attention.v_proj": "attention.attention.value",
             "attention.o_proj": "attention.output.dense", "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}

    def __init__(self):
        super().__init__()
        self.net = ViTForImageClassification(ViTConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
                                                       intermediate_size=192, image_size=64, num_labels=CLASSES))

    def rename(self, name):
        name = name.removeprefix("net.")
        for old, new in self.NAMES.items():
            name = name.replace(old, new)
        return name

    def state_dict(self, *args, **kwargs):
        return {self.rename(k): v for k, v in super().state_dict(*args, **kwargs).items()}

    def load_state_dict(self, state):
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])

    def named_parameters(self, *args, **kwargs):
        return [(self.rename(k), v) for k, v in super().named_parameters(*args, **kwargs)]

    def forward(self, x):
        return self.net(x).logits


class Saved(SavedViT):
    """A network of transformers whose files have the names of its modules."""
    NAMES = {}

    def __init__(self, net):
        nn.Module.__init__(self)
        self.net = net


class OldDenseNet(timm.models.DenseNet):
    """With the names in torchvision's files."""

    def rename(self, name):
        return re.sub(r"(denselayer\d+\.(norm|conv))(\d)", r"\1.\3", name)

    def state_dict(self, *args, **kwargs):
        return {self.rename(k): v for k, v in super().state_dict(*args, **kwargs).items()}

    def load_state_dict(self, state):
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])

    def named_parameters(self, *args, **kwargs):
        return [(self.rename(k), v) for k, v in super().named_parameters(*args, **kwargs)]


def convnext(dims, **more):
    return timm.models.ConvNeXt(depths=(1, 1, 2, 1), dims=dims, num_classes=CLASSES, **more)


def convnext_torchvision():
    stages = [CNBlockConfig(16, 24, 1), CNBlockConfig(24, 32, 2), CNBlockConfig(32, None, 1)]
    return tv.ConvNeXt(stages, layer_scale=1.0, num_classes=CLASSES)


def hf_convnext(config, network):
    return Saved(network(config(hidden_sizes=[16, 24, 32], depths=[1, 2, 1], num_stages=3, num_labels=CLASSES)))


def regnet(**more):
    return RegNet(RegNetCfg(w0=16, wa=8, wm=1.5, depth=5, group_size=8, stem_width=16, **more), num_classes=CLASSES)


def regnet_torchvision():
    sizes = BlockParams([1, 2], [16, 24], [8, 8], [1.0, 1.0], [2, 2], 0.25)
    return tv.RegNet(sizes, stem_width=16, num_classes=CLASSES)


def regnet_transformers(layer):
    config = RegNetConfig(embedding_size=16, hidden_sizes=[16, 24], depths=[1, 2], groups_width=8, layer_type=layer,
                          num_labels=CLASSES)
    return Saved(RegNetForImageClassification(config))


def densenet(network=timm.models.DenseNet, **more):
    return network(growth_rate=8, block_config=(2, 3), num_classes=CLASSES, **more)


def vit(**more):
    return timm.models.VisionTransformer(img_size=64, embed_dim=128, depth=2, num_heads=2, num_classes=CLASSES, **more)


# file name, variant that the tensors are recognised as, side of the images, batch statistics, the network
NETWORKS = [
    ("resnet18", "resnet18", 64, False, lambda: tv.resnet18(num_classes=CLASSES)),
    ("resnet18_train", "resnet18", 64, True, lambda: tv.resnet18(num_classes=CLASSES)),
    ("resnet50", "resnet50", 64, False, lambda: tv.resnet50(num_classes=CLASSES)),
    ("vgg16", "vgg16", 32, False, lambda: narrow(tv.vgg16(), 0, 3, 6)),
    ("vgg11_bn", "vgg11_bn", 32, False, lambda: narrow(tv.vgg11_bn(), 0, 3, 6)),
    ("vgg11_bn_timm", "vgg11_bn", 32, False, lambda: narrow_timm(timm.create_model("vgg11_bn"))),
    ("alexnet", "alexnet", 96, False, lambda: narrow(tv.alexnet(), 1, 4, 6)),
    ("mobilenet_v2", "mobilenet_v2", 64, False, lambda: tv.mobilenet_v2(num_classes=CLASSES)),
    ("mobilenet_v2_timm", "mobilenet_v2", 64, False,
     lambda: timm.create_model("mobilenetv2_100", num_classes=CLASSES)),
    ("efficientnet_lite0", "efficientnet_lite0", 64, False, lambda: EfficientNetLite0(CLASSES)),
    ("efficientnet_lite0_timm", "efficientnet_lite0", 75, False,
     lambda: timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES)),
    ("efficientnet_lite0_symmetric", "efficientnet_lite0", 64, False,
     lambda: timm.create_model("efficientnet_lite0", num_classes=CLASSES)),
    ("cifar_resnet8", "cifar_resnet8", 32, False, lambda: CifarResNet(1, 32, CLASSES)),
    ("vit", "vit", 64, False, vit),
    ("vit_registers", "vit", 64, False, lambda: vit(reg_tokens=3, no_embed_class=True, init_values=1.0)),
    ("vit_mean", "vit", 64, False, lambda: vit(class_token=False, global_pool="avg", fc_norm=True)),
    ("vit_transformers", "vit", 64, False, SavedViT),
    ("convnext", "convnext", 64, False, lambda: convnext((16, 24, 32, 40), head_hidden_size=24)),
    ("convnext_v2", "convnext", 64, False,
     lambda: convnext((16, 24, 32, 40), use_grn=True, ls_init_value=None, conv_mlp=True, stem_type="overlap_act")),
    ("convnext_rms", "convnext", 64, False,
     lambda: convnext((40, 48, 56, 64), conv_mlp=True, norm_layer="rmsnorm2d", head_norm_first=True)),
    ("convnext_simple", "convnext", 64, False,
     lambda: convnext((32, 40, 48, 56), conv_mlp=True, norm_layer="simplenorm", stem_type="overlap")),
    ("convnext_transformers", "convnext", 64, False,
     lambda: hf_convnext(ConvNextConfig, ConvNextForImageClassification)),
    ("convnext_transformers_v2", "convnext", 64, False,
     lambda: hf_convnext(ConvNextV2Config, ConvNextV2ForImageClassification)),
    ("convnext_torchvision", "convnext", 64, False, convnext_torchvision),
    ("regnet", "regnet", 64, False, lambda: regnet(se_ratio=0.25)),
    ("regnet_before", "regnet", 64, False,
     lambda: regnet(se_ratio=0.25, preact=True, act_layer="silu", downsample="avg")),
    ("regnet_linear", "regnet", 64, False,
     lambda: regnet(se_ratio=0.25, bottle_ratio=2.0, downsample=None, linear_out=True, num_features=48,
                    act_layer="silu")),
    ("regnet_transformers", "regnet", 64, False, lambda: regnet_transformers("x")),
    ("regnet_transformers_y", "regnet", 64, False, lambda: regnet_transformers("y")),
    ("regnet_torchvision", "regnet", 64, False, regnet_torchvision),
    ("densenet", "densenet", 64, False, densenet),
    ("densenet_deep", "densenet", 64, False, lambda: densenet(stem_type="deep")),
    ("densenet_torchvision", "densenet", 64, False, lambda: densenet(OldDenseNet)),
]


def fill(model, head_scale):
    """Formula weights in every tensor. The head is the last tensor of more than one dimension."""
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    head = [k for k, v in state.items() if v.dim() > 1][-1]
    for name, tensor in state.items():
        scale = head_scale if name == head else 1.0
        tensor.copy_(torch.from_numpy(formula.weight(name, tuple(tensor.shape), scale)))
    return state, head


def margin(model, x):
    """How far the input of any ReLU stays from where its slope changes, relative to the inputs of that ReLU.

    Rounding that moves one of them across changes gradients by far more than 1e-3, in any framework."""
    distances = []

    def look(module, inputs):
        z = inputs[0]
        distance = z.abs().min()
        if isinstance(module, nn.ReLU6):
            distance = torch.minimum(distance, (z - 6).abs().min())
        distances.append(float(distance / z.std()))

    hooks = [m.register_forward_pre_hook(look) for m in model.modules() if isinstance(m, (nn.ReLU, nn.ReLU6))]
    model(x)
    for hook in hooks:
        hook.remove()
    return min(distances, default=np.inf)


def make_input(key, side):
    return torch.from_numpy(formula.uniform(key, (IMAGES, 3, side, side), -2.0, 2.0)).double()


def golden(variant, side, training, make):
    model = make().double()
    model.train(training)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    labels = torch.tensor([(3 + 5 * n) % CLASSES for n in range(IMAGES)])

    with torch.no_grad():
        fill(model, 1.0)
        saved = {k: v.clone() for k, v in model.state_dict().items()}
        key = max((f"input{i}" for i in range(INPUTS)), key=lambda k: margin(model, make_input(k, side)))
        x = make_input(key, side)
        model.load_state_dict(saved)
        print(f"{variant}: {key}, margin {margin(model, x):.2g}")
        # A power of two that scales the logits to about 1.
        head_scale = float(2.0 ** -np.round(np.log2(float(model(x).std()))))
        model.load_state_dict(saved)
        state, head = fill(model, head_scale)
    logits = model(x)
    nn.functional.cross_entropy(logits, labels).backward()

    gradients = {k: p.grad.numpy() for k, p in model.named_parameters()}
    tensors = {}
    for name, tensor in state.items():
        tensors[name] = {"shape": list(tensor.shape)}
        if name in gradients:
            g = gradients[name]
            tensors[name]["norm"] = float(np.linalg.norm(g))
            tensors[name]["projections"] = formula.projections(name, g)
    return {"variant": variant, "side": side, "images": IMAGES, "classes": CLASSES, "batch_statistics": training,
            "input": key,
            "head": head, "head_scale": head_scale, "logits": logits.detach().numpy().reshape(-1).tolist(),
            "tensors": tensors}


def rounded(value):
    """Seven digits are more than single precision has to be compared with."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return value


def main():
    folder = pathlib.Path(__file__).parent
    torch.set_num_threads(1)
    for name, *network in NETWORKS:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        result = golden(*network)
        path = folder / f"network_{name}.json"
        path.write_text(json.dumps(rounded(result), separators=(",", ":")).replace("},", "},\n") + "\n")
        norms = [t["norm"] for t in result["tensors"].values() if "norm" in t]
        print(f"{path.name}: {path.stat().st_size} bytes, head scale {result['head_scale']:g}, "
              f"logits {np.std(result['logits']):.3g}, gradient norms {min(norms):.3g} .. {max(norms):.3g}")


if __name__ == "__main__":
    main()
