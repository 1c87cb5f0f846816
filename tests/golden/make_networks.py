"""Writes tests/golden/network_*.json: the results of PyTorch for networks with weights from a formula.

Each file has the names and shapes of the state dict, the logits for an input from the formula, and for every trained
tensor the norm of the gradient and its inner products with four random vectors of signs. All is computed in double
precision, as the reference for single precision. Run: python tests/golden/make_networks.py [NAME...]
"""
import json
import pathlib
import re
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import timm
import torch
import torchvision.models as tv
import transformers
from timm.layers import BatchNormAct2d, BlurPool2d, StdConv2d, SwiGLUPacked, create_conv2d
from timm.models.mlp_mixer import Affine, ResBlock
from timm.models.regnet import RegNet, RegNetCfg
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.senet import SENet, SEResNetBlock, SEResNetBottleneck
from timm.models.vgg import ConvMlp
from torch import nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.regnet import BlockParams
from transformers import (BitConfig, BitForImageClassification, ConvNextConfig, ConvNextForImageClassification,
                          ConvNextV2Config, ConvNextV2ForImageClassification, EfficientNetConfig,
                          EfficientNetForImageClassification, MobileNetV1Config, MobileNetV1ForImageClassification,
                          MobileNetV2Config, MobileNetV2ForImageClassification, RegNetConfig,
                          RegNetForImageClassification, ResNetConfig, ResNetForImageClassification, SwinConfig,
                          SwinForImageClassification, Swinv2Config, Swinv2ForImageClassification, ViTConfig,
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


class Logits(nn.Module):
    """A network of transformers as one that returns its logits; its tensors keep their names."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def state_dict(self, *args, **kwargs):
        return self.net.state_dict()

    def load_state_dict(self, state):
        self.net.load_state_dict(state)

    def named_parameters(self, *args, **kwargs):
        return self.net.named_parameters()

    def forward(self, x):
        return self.net(x).logits


def resnet(block, **more):
    return ResNet(block, (1, 1, 2, 1), num_classes=CLASSES, **more)


def transformers_resnet():
    return Logits(ResNetForImageClassification(ResNetConfig(embedding_size=16, hidden_sizes=[32, 64, 96],
                                                            depths=[1, 2, 1], num_labels=CLASSES)))


def resnet_v2(**more):
    return ResNetV2(layers=(1, 1, 2, 1), num_classes=CLASSES, **more)


def transformers_bit():
    return Logits(BitForImageClassification(BitConfig(embedding_size=32, hidden_sizes=[128, 128, 256], depths=[1, 2, 1],
                                                      num_labels=CLASSES)))


def transformers_efficientnet():
    return Logits(EfficientNetForImageClassification(EfficientNetConfig(
        width_coefficient=0.25, depth_coefficient=1.0, kernel_sizes=[3, 5, 3], in_channels=[32, 64, 96],
        out_channels=[64, 96, 128], strides=[1, 2, 2], num_block_repeats=[1, 2, 2], expand_ratios=[1, 6, 4],
        depthwise_padding=[3], hidden_dim=320, num_labels=CLASSES)))


class Saved(nn.Module):
    """An image classifier of transformers with the names that its files have, which are those of earlier versions."""
    ATTENTION = {"attention.q_proj": "attention.attention.query", "attention.k_proj": "attention.attention.key",
                 "attention.v_proj": "attention.attention.value", "attention.o_proj": "attention.output.dense"}
    VIT = {"vit.layers": "vit.encoder.layer", **ATTENTION, "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}

    def __init__(self, net, names=None, unused=()):
        super().__init__()
        self.net, self.names, self.unused = net, names or {}, unused

    def rename(self, name):
        name = name.removeprefix("net.")
        for old, new in self.names.items():
            name = name.replace(old, new)
        return name

    def state_dict(self, *args, **kwargs):
        return {k: v for k, v in ((self.rename(k), v) for k, v in super().state_dict(*args, **kwargs).items())
                if not any(part in k for part in self.unused)}

    def load_state_dict(self, state):
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])

    def named_parameters(self, *args, **kwargs):
        return [(self.rename(k), v) for k, v in super().named_parameters(*args, **kwargs) if v.grad is not None]

    def forward(self, x):
        return self.net(x).logits


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


def mixer(**more):
    return timm.models.MlpMixer(img_size=64, patch_size=16, num_blocks=2, embed_dim=32, num_classes=CLASSES, **more)


def densenet(network=timm.models.DenseNet, **more):
    return network(growth_rate=8, block_config=(2, 3), num_classes=CLASSES, **more)


SMALL = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 192,
         "image_size": 64, "patch_size": 16}


def saved_vit():
    return Saved(transformers.ViTForImageClassification(transformers.ViTConfig(**SMALL, num_labels=CLASSES)), Saved.VIT)


def saved_dinov2(**more):
    config = transformers.Dinov2WithRegistersConfig(**SMALL, num_labels=CLASSES, **more)
    return Saved(transformers.Dinov2WithRegistersForImageClassification(config), Saved.ATTENTION, ("mask_token",))


def saved_clip():
    config = transformers.CLIPConfig(vision_config=SMALL, num_labels=CLASSES)
    return Saved(transformers.CLIPForImageClassification(config), unused=("post_layernorm", "position_ids"))


class WithClassifier(nn.Module):
    """A network of features of transformers with a classifier for its pooled output."""

    def __init__(self, network, width):
        super().__init__()
        self.network, self.classifier = network, nn.Linear(width, CLASSES)

    def forward(self, x):
        return SimpleNamespace(logits=self.classifier(self.network(x).pooler_output))


def saved_dinov3(**more):
    network = transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**SMALL, num_register_tokens=3, **more))
    return Saved(WithClassifier(network, SMALL["hidden_size"]), {"network.model.": "", "network.": ""}, ("mask_token",))


def dinov3(**more):
    return timm.models.Eva(img_size=64, embed_dim=128, depth=2, num_heads=2, num_classes=CLASSES, init_values=1.0,
                           rope_type="dinov3", rope_temperature=100, rope_rotate_half=True, use_rot_pos_emb=True,
                           use_abs_pos_emb=False, num_reg_tokens=3, use_fc_norm=False,
                           norm_layer=partial(nn.LayerNorm, eps=1e-5), **more)


def dinov3_options(pool, function):
    return {"heads": 2, "epsilon": 1e-5, "pool": pool, "function": function, "all_positions": False, "pool_all": False,
            "norm_last": False, "preprocessing": "dinov3", "side": 64, "longest_period": 100.0}


def vit(**more):
    return timm.models.VisionTransformer(img_size=64, embed_dim=128, depth=2, num_heads=2, num_classes=CLASSES, **more)


def swin(network=timm.models.SwinTransformer, **more):
    return network(img_size=more.pop("side"), embed_dim=8, depths=(2, 2), num_heads=(1, 2), mlp_ratio=2,
                   num_classes=CLASSES, **more)


# Names of Swin Transformers of transformers in their files.
SWIN = {"attention.q_proj": "attention.self.query", "attention.k_proj": "attention.self.key",
        "attention.v_proj": "attention.self.value", "attention.o_proj": "attention.output.dense",
        "attention.relative_position_bias.": "attention.self.",
        "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}


def swin_transformers(config, network, **more):
    return Saved(network(config(embed_dim=8, depths=[2, 2], num_heads=[1, 2], mlp_ratio=2.0, num_labels=CLASSES,
                                **more)), SWIN)


# file name, variant that the tensors are recognised as, side of the images, batch statistics, the network, and the
# options that Thaw reads from its config.json, if the network needs them
NETWORKS = [
    ("resnet18", "resnet18", 64, False, lambda: tv.resnet18(num_classes=CLASSES)),
    ("resnet18_train", "resnet18", 64, True, lambda: tv.resnet18(num_classes=CLASSES)),
    ("resnet50", "resnet50", 64, False, lambda: tv.resnet50(num_classes=CLASSES)),
    ("resnet_groups", "resnet", 75, False,
     lambda: resnet(Bottleneck, channels=(16, 32, 48, 64), stem_width=16, stem_type="deep", avg_down=True, cardinality=4,
                    base_width=16, block_args={"attn_layer": "se"})),
    ("resnet_channels", "resnet", 64, False,
     lambda: resnet(BasicBlock, channels=(16, 32, 48, 64), stem_width=16, replace_stem_pool=True, stem_type="deep_tiered",
                    block_args={"attn_layer": "eca"})),
    ("resnet_average", "resnet", 64, False,
     lambda: resnet(BasicBlock, channels=(16, 32, 48, 64), aa_layer=nn.AvgPool2d)),
    ("resnet_blur", "resnet", 75, False, lambda: resnet(Bottleneck, channels=(16, 32, 48, 64), aa_layer=BlurPool2d)),
    ("resnet_legacy", "resnet", 64, False,
     lambda: SENet(SEResNetBottleneck, (1, 1, 1, 1), groups=1, reduction=16, num_classes=CLASSES)),
    ("resnet_legacy_basic", "resnet", 64, False,
     lambda: SENet(SEResNetBlock, (1, 1, 1, 1), groups=1, reduction=16, num_classes=CLASSES)),
    ("resnet_transformers", "resnet", 64, False, transformers_resnet),
    ("resnet_group_norm", "resnet", 64, False,
     lambda: resnet(BasicBlock, channels=(32, 32, 64, 64), norm_layer="groupnorm")),
    ("resnet_v2", "resnetv2", 75, False,
     lambda: resnet_v2(channels=(16, 32, 48, 64), basic=True, bottle_ratio=1.0, conv_layer=create_conv2d,
                       norm_layer=BatchNormAct2d, stem_type="deep", avg_down=True)),
    ("bit", "resnetv2", 64, False,
     lambda: resnet_v2(channels=(128, 128, 128, 256), conv_layer=partial(StdConv2d, eps=1e-8), stem_type="fixed")),
    ("bit_transformers", "resnetv2", 64, False, transformers_bit),
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
    ("test_efficientnet", "test_efficientnet", 64, False,
     lambda: timm.create_model("test_efficientnet", num_classes=CLASSES)),
    ("tf_mobilenetv3_small_075", "mobilenetv3_small_075", 75, False,
     lambda: timm.create_model("tf_mobilenetv3_small_075", num_classes=CLASSES)),
    ("tf_mixnet_s", "mixnet_s", 75, False, lambda: timm.create_model("tf_mixnet_s", num_classes=CLASSES)),
    ("lcnet_035", "lcnet_035", 64, False, lambda: timm.create_model("lcnet_035", num_classes=CLASSES)),
    ("mobilenetv4_conv_small_035", "mobilenetv4_conv_small_035", 64, False,
     lambda: timm.create_model("mobilenetv4_conv_small_035", num_classes=CLASSES)),
    ("efficientnet_b0_torchvision", "efficientnet_b0", 64, False, lambda: tv.efficientnet_b0(num_classes=CLASSES)),
    ("mobilenet_v3_small", "mobilenetv3_small_100", 64, False, lambda: tv.mobilenet_v3_small(num_classes=CLASSES)),
    ("efficientnet_transformers", "efficientnet_transformers", 75, False, transformers_efficientnet,
     {"strides": "122", "activation": "swish", "epsilon": 1e-3, "padding": "late", "symmetric": [3]}),
    ("mobilenet_v1_transformers", "mobilenet_v1_transformers", 75, False,
     lambda: Logits(MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=0.25, num_labels=CLASSES))),
     {"strides": "12222", "activation": "relu6", "epsilon": 1e-3, "padding": "same", "symmetric": []}),
    ("mobilenet_v2_transformers", "mobilenet_v2_transformers", 64, False,
     lambda: Logits(MobileNetV2ForImageClassification(MobileNetV2Config(depth_multiplier=0.25, tf_padding=False,
                                                                        num_labels=CLASSES))),
     {"strides": "1222121", "activation": "relu6", "epsilon": 1e-3, "padding": "symmetric", "symmetric": []}),
    ("cifar_resnet8", "cifar_resnet8", 32, False, lambda: CifarResNet(1, 32, CLASSES)),
    ("vit", "vit", 64, False, vit),
    ("vit_registers", "vit", 64, False, lambda: vit(reg_tokens=3, no_embed_class=True, init_values=1.0)),
    ("vit_mean", "vit", 64, False, lambda: vit(class_token=False, global_pool="avg", fc_norm=True)),
    ("vit_clip", "vit", 64, False,
     lambda: vit(pre_norm=True, norm_layer=partial(nn.LayerNorm, eps=1e-5), act_layer="quick_gelu")),
    ("vit_siglip", "vit", 64, False, lambda: vit(class_token=False, global_pool="map")),
    ("vit_gated", "vit", 64, False,
     lambda: vit(qkv_bias=False, mlp_ratio=3, mlp_layer=SwiGLUPacked, act_layer=nn.SiLU)),
    ("vit_transformers", "vit", 64, False, saved_vit),
    ("vit_dinov2", "vit", 64, False, saved_dinov2),
    ("vit_clip_transformers", "vit", 64, False, saved_clip),
    ("vit_dinov3", "vit", 64, False, lambda: dinov3(mlp_ratio=2), dinov3_options("mean", "gelu")),
    ("vit_dinov3_gated", "vit", 64, False,
     lambda: dinov3(qkv_bias=False, mlp_ratio=2, swiglu_mlp=True, swiglu_align_to=8), dinov3_options("mean", "silu")),
    ("vit_dinov3_transformers", "vit", 64, False, saved_dinov3, dinov3_options("token", "gelu")),
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
    ("mixer", "mixer", 64, False, mixer),
    ("mixer_residual", "mixer", 64, False, lambda: mixer(mlp_ratio=4, block_layer=ResBlock, norm_layer=Affine)),
    ("densenet_torchvision", "densenet", 64, False, lambda: densenet(OldDenseNet)),
    ("swin", "swin", 224, False, lambda: swin(side=224, window_size=5)),
    ("swin_transformers", "swin", 224, False,
     lambda: swin_transformers(SwinConfig, SwinForImageClassification, image_size=224, window_size=5)),
    ("swinv2", "swinv2", 256, False,
     lambda: swin(timm.models.SwinTransformerV2, side=256, window_size=16, pretrained_window_sizes=(12, 12))),
    ("swinv2_transformers", "swinv2", 192, False,
     lambda: swin_transformers(Swinv2Config, Swinv2ForImageClassification, image_size=192, window_size=12)),
]


KINKED = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid)


def fill(model, head_scale):
    """Formula weights in every tensor. The head is the last tensor of more than one dimension."""
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    head = [k for k, v in state.items() if v.dim() > 1][-1]
    for name, tensor in state.items():
        scale = head_scale if name == head else 1.0
        tensor.copy_(torch.from_numpy(formula.weight(name, tuple(tensor.shape), scale)))
    return state, head


def margin(model, x):
    """How far the input of any ReLU, or hard swish or sigmoid, stays from where its slope changes, relative to the inputs of that ReLU.

    Rounding that moves one of them across changes gradients by far more than 1e-3, in any framework."""
    distances = []

    def look(module, inputs):
        z = inputs[0]
        distance = z.abs().min()
        if isinstance(module, nn.ReLU6):
            distance = torch.minimum(distance, (z - 6).abs().min())
        if isinstance(module, (nn.Hardswish, nn.Hardsigmoid)):
            distance = (z.abs() - 3).abs().min()
        distances.append(float(distance / z.std()))

    hooks = [m.register_forward_pre_hook(look) for m in model.modules() if isinstance(m, KINKED)]
    model(x)
    for hook in hooks:
        hook.remove()
    return min(distances, default=np.inf)


def make_input(key, side):
    return torch.from_numpy(formula.uniform(key, (IMAGES, 3, side, side), -2.0, 2.0)).double()


def golden(variant, side, training, make, options=None):
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
    settings = {"options": options} if options else {}
    return {"variant": variant, **settings, "side": side, "images": IMAGES, "classes": CLASSES, "batch_statistics": training,
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
