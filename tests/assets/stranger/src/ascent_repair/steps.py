"""The two halves of the method."""

import torch
from torch.nn.functional import cross_entropy


@torch.no_grad()
def mean_loss(model, data, batch_size):
    """Mean cross-entropy over ``data``, in eval mode."""
    model.eval()
    total = sum(float(cross_entropy(model(x), y, reduction="sum")) for x, y in data.loader(batch_size, shuffle=False))
    return total / len(data)


def ascend(model, data, lr, epochs, batch_size, ceiling):
    """Ascend the loss on ``data``, until a pass ends above ``ceiling`` or ``epochs`` are over."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        # In eval mode: the statistics of normalisation layers are to be those of all the data, not of the forget set.
        model.eval()
        for images, labels in data.loader(batch_size, shuffle=True):
            optimizer.zero_grad()
            (-cross_entropy(model(images), labels)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        if ceiling is not None and mean_loss(model, data, batch_size) >= ceiling:
            return


def repair(model, data, lr, batch_size, context):
    """One pass of training over ``data``, ended early when a tenth of the time limit is left."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    model.train()
    for images, labels in data.loader(batch_size, shuffle=True):
        if context.time_limit_s is not None and context.remaining_s < 0.1 * context.time_limit_s:
            return
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
