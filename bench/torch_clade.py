# SPDX-License-Identifier: Apache-2.0
"""CLADE in PyTorch, written from the paper and the description in docs/: the other side of compare_torch.py.

It does what a careful user of PyTorch would do for speed: calls with the same weights are merged, effective weights are
made once per step, gradients are taken only in the weights that they update, one fused Adam updates everything.
"""

import json
import struct

import numpy
import torch
import torch.nn.functional as F
from torch import nn

DEMODULATION_EPSILON = 1e-8
NORM_EPSILON = 1e-5
LEAKY_SLOPE = 0.2


class Generator(nn.Module):
    """7x7 and two strided 3x3 convolutions, residual blocks, two transposed convolutions, 7x7 and tanh."""

    def __init__(self, channels=64, blocks=6):
        super().__init__()
        c = channels
        self.encoder = nn.ModuleList(
            [nn.Conv2d(1, c, 7), nn.Conv2d(c, 2 * c, 3, 2, 1), nn.Conv2d(2 * c, 4 * c, 3, 2, 1)])
        self.residual = nn.ModuleList(
            nn.ModuleDict({name: nn.Conv2d(4 * c, 4 * c, 3) for name in ("conv1", "conv2")}) for _ in range(blocks))
        self.decoder = nn.ModuleList([
            nn.ConvTranspose2d(4 * c, 2 * c, 3, 2, 1, 1),
            nn.ConvTranspose2d(2 * c, c, 3, 2, 1, 1),
            nn.Conv2d(c, 1, 7)])

    def layers(self):
        """All convolutions in the order of the forward pass."""
        return [*self.encoder, *(conv for block in self.residual for conv in block.values()), *self.decoder]

    def effective_weights(self):
        """Weights over the norm of each output channel, Eq. 6; the last layer's as they are."""

        def demodulate(conv):
            output = 1 if isinstance(conv, nn.ConvTranspose2d) else 0
            others = [d for d in range(4) if d != output]
            w = conv.weight
            return w * torch.rsqrt(w.square().sum(others, keepdim=True) + DEMODULATION_EPSILON)

        *normalised, last = self.layers()
        return [demodulate(conv) for conv in normalised] + [last.weight]

    def forward(self, x, weights):
        parameters = iter([(w, conv.bias) for w, conv in zip(weights, self.layers())])

        def reflect(x, pad):
            return F.conv2d(F.pad(x, (pad,) * 4, mode="reflect"), *next(parameters))

        x = F.relu(reflect(x, 3))
        for _ in range(2):
            x = F.relu(F.conv2d(x, *next(parameters), stride=2, padding=1))
        for _ in self.residual:
            x = x + reflect(F.relu(reflect(x, 1)), 1)
        for _ in range(2):
            x = F.relu(F.conv_transpose2d(x, *next(parameters), stride=2, padding=1, output_padding=1))
        return torch.tanh(reflect(x, 3))


class Discriminator(nn.Module):
    """70x70 PatchGAN: five 4x4 convolutions, instance norm on all but the outer two."""

    def __init__(self, channels=64):
        super().__init__()
        c = channels
        sizes = [(1, c, 2), (c, 2 * c, 2), (2 * c, 4 * c, 2), (4 * c, 8 * c, 1), (8 * c, 1, 1)]
        self.layers = nn.ModuleList(nn.Conv2d(cin, cout, 4, stride, 1) for cin, cout, stride in sizes)

    def forward(self, x, frozen=False):
        """`frozen`: gradients pass to x but not to the weights."""
        for i, conv in enumerate(self.layers):
            w, b = (conv.weight.detach(), conv.bias.detach()) if frozen else (conv.weight, conv.bias)
            x = F.conv2d(x, w, b, conv.stride, conv.padding)
            if 1 <= i <= 3:
                x = F.instance_norm(x, eps=NORM_EPSILON)
            if i < 4:
                x = F.leaky_relu(x, LEAKY_SLOPE)
        return x


class Clade(nn.Module):
    """Two generators, two discriminators, and the losses of a step."""

    def __init__(self, channels=64, blocks=6, adversarial="lsgan", form="separate", lambda_gradient=5.0):
        super().__init__()
        self.generator_x, self.generator_y = Generator(channels, blocks), Generator(channels, blocks)
        self.discriminator_x, self.discriminator_y = Discriminator(channels), Discriminator(channels)
        self.adversarial, self.form, self.lambda_gradient = adversarial, form, lambda_gradient
        sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
        self.register_buffer("sobel", torch.stack([sobel, sobel.t()]).unsqueeze(1), persistent=False)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02) if parameter.dim() > 1 else nn.init.zeros_(parameter)

    def generator_parameters(self):
        return [*self.generator_x.parameters(), *self.generator_y.parameters()]

    def discriminator_parameters(self):
        return [*self.discriminator_x.parameters(), *self.discriminator_y.parameters()]

    def against(self, logits, label):
        if self.adversarial == "lsgan":
            return (logits - label).square().mean()
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))

    def gradient_map(self, r, y):
        # Both derivatives and the mirrored border are linear, so the difference is taken first.
        maps = F.conv2d(F.pad(r - y, (1,) * 4, mode="reflect"), self.sobel)
        if self.form == "combined":
            return maps.sum(1).abs().mean()
        return maps[:, 0].abs().mean() + maps[:, 1].abs().mean()

    def generated(self, x, y):
        """All passes of the generators: translation and identity in one call, the cycles in another."""
        n = x.shape[0]
        wx, wy = self.generator_x.effective_weights(), self.generator_y.effective_weights()
        fake_y, same_y = self.generator_x(torch.cat([x, y]), wx).split(n)
        fake_x, same_x = self.generator_y(torch.cat([y, x]), wy).split(n)
        cycled_y, cycled_x = self.generator_x(fake_x, wx), self.generator_y(fake_y, wy)
        return {"fake_x": fake_x, "fake_y": fake_y, "same_x": same_x, "same_y": same_y,
                "cycled_x": cycled_x, "cycled_y": cycled_y}

    def generator_terms(self, images, x, y, judged_x, judged_y):
        return {"adv_gx": self.against(judged_y, 1.0), "adv_gy": self.against(judged_x, 1.0),
                "cyc_x": F.l1_loss(images["cycled_x"], x), "cyc_y": F.l1_loss(images["cycled_y"], y),
                "ident_x": F.l1_loss(images["same_x"], x), "ident_y": F.l1_loss(images["same_y"], y),
                "gmap": self.gradient_map(images["cycled_y"], y)}

    def total(self, terms):
        return sum(self.lambda_gradient * value if key == "gmap" else value for key, value in terms.items())

    def discriminator_terms(self, judged_x, judged_y):
        """`judged`: logits of real images, then of as many fakes."""
        halves = {"d_x": judged_x.chunk(2), "d_y": judged_y.chunk(2)}
        return {key: 0.5 * (self.against(real, 1.0) + self.against(fake, 0.0)) for key, (real, fake) in halves.items()}

    def merged_losses(self, x, y):
        """One evaluation of the discriminators serves both sweeps."""
        images = self.generated(x, y)
        judged_x = self.discriminator_x(torch.cat([x, images["fake_x"]]))
        judged_y = self.discriminator_y(torch.cat([y, images["fake_y"]]))
        n = x.shape[0]
        terms = self.generator_terms(images, x, y, judged_x[n:], judged_y[n:])
        return terms, self.discriminator_terms(judged_x, judged_y)

    def generator_losses(self, x, y):
        """The generators' part alone, for torch.compile, whose backward passes always run whole."""
        images = self.generated(x, y)
        judged_x, judged_y = self.discriminator_x(images["fake_x"], True), self.discriminator_y(images["fake_y"], True)
        total = self.total(self.generator_terms(images, x, y, judged_x, judged_y))
        return total, images["fake_x"].detach(), images["fake_y"].detach()

    def discriminator_losses(self, x, y, fake_x, fake_y):
        judged_x = self.discriminator_x(torch.cat([x, fake_x]))
        judged_y = self.discriminator_y(torch.cat([y, fake_y]))
        return sum(self.discriminator_terms(judged_x, judged_y).values())


class Step:
    """A training step. Nothing is read back, and the losses are not even kept."""

    def __init__(self, model, compiled=False, learning_rate=5e-5):
        self.model = model
        self.g, self.d = model.generator_parameters(), model.discriminator_parameters()
        on_gpu = self.g[0].is_cuda
        # Before 2.4 one call cannot update all weights on a CPU; the next best thing goes through them list by list.
        fused = on_gpu or tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 4)
        self.adam = torch.optim.Adam(self.g + self.d, lr=learning_rate, betas=(0.5, 0.999), eps=1e-8, fused=fused,
                                     foreach=not fused, capturable=on_gpu)
        self.parts = None
        if compiled:
            self.parts = [torch.compile(f) for f in (model.generator_losses, model.discriminator_losses)]

    def gradients(self, x, y):
        if self.parts is None:
            terms, judgements = self.model.merged_losses(x, y)
            of_g = torch.autograd.grad(self.model.total(terms), self.g, retain_graph=True)
            return of_g + torch.autograd.grad(sum(judgements.values()), self.d)
        total, fake_x, fake_y = self.parts[0](x, y)
        return torch.autograd.grad(total, self.g) + torch.autograd.grad(self.parts[1](x, y, fake_x, fake_y), self.d)

    def __call__(self, x, y):
        for parameter, gradient in zip(self.g + self.d, self.gradients(x, y)):
            parameter.grad = gradient
        self.adam.step()


def read_safetensors(path):
    """Tensors of a safetensors file of float32 values by name."""
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(data[8 + size + begin:8 + size + end], dtype="<f4")
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors
