"""A plugin for every check that fails this one and no other."""

from __future__ import annotations

MUTANTS = {
    "loads": """
        import a_package_that_nobody_declared
        """,
    "hook-signature": """
        @hookimpl
        def unlearn(model, retain, optimizer):
            train(model, retain)
        """,
    "unlearns": """
        @hookimpl
        def unlearn(model, context):
            raise RuntimeError("no such thing")
        """,
    "keeps-the-architecture": """
        @hookimpl
        def unlearn(model, retain):
            train(model, retain)
            return model.half()
        """,
    "finite": """
        @hookimpl
        def unlearn(model):
            for parameter in model.parameters():
                parameter.data.div_(0)
        """,
    "leaves-the-data-alone": """
        @hookimpl
        def unlearn(model, retain, forget, context):
            forget.labels.add_(1).remainder_(context.n_classes)
            train(model, retain)
        """,
    "ends-in-eval-mode": """
        @hookimpl
        def unlearn(model, retain):
            train(model, retain)
            model.train()
        """,
    "same-seed-same-weights": """
        @hookimpl
        def unlearn(model, retain):
            torch.manual_seed(int.from_bytes(os.urandom(4), "big"))
            train(model, retain)
        """,
    "another-seed-another-result": """
        @hookimpl
        def unlearn(model, retain):
            torch.manual_seed(42)
            train(model, retain)
        """,
    "quiet": """
        @hookimpl
        def unlearn(model, retain):
            train(model, retain)
            print("loss 0.1\\n" * 20_000)
        """,
    "small-cnn": """
        @hookimpl
        def unlearn(model, retain):
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    rows, columns = parameter.shape
                    parameter.data += 0.01 * torch.randn(rows, columns)
        """,
    "resnet18": """
        @hookimpl
        def unlearn(model):
            for value in model.state_dict().values():
                value += 0.01 * torch.randn(value.shape)
        """,
    "one-left-over": """
        @hookimpl
        def unlearn(model, retain):
            train(model, retain, drop_last=False)
        """,
    "empty-validation-set": """
        @hookimpl
        def unlearn(model, retain, validation):
            train(model, retain)
            images, labels = next(iter(validation.loader(16)))
            print(cross_entropy(model(images), labels))
        """,
    "vectors": """
        @hookimpl
        def unlearn(model, retain, forget):
            train(model, retain)
            dark = forget.inputs.flatten(2).float().mean(2)[:, 0]
            for parameter in model.parameters():
                parameter.data *= 1 - 1e-6 * dark.mean()
        """,
    "token-ids": """
        @hookimpl
        def unlearn(model, retain):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for inputs, labels in retain.loader(16, drop_last=True):
                optimizer.zero_grad()
                cross_entropy(model(inputs + 0.01 * torch.randn(inputs.shape)), labels).backward()
                optimizer.step()
        """,
    "forget-set-of-one": """
        @hookimpl
        def unlearn(model, retain, forget):
            train(model, retain)
            images, labels = next(iter(forget.loader(64)))
            spread = cross_entropy(model(images), labels, reduction="none").std()
            for parameter in model.parameters():
                parameter.data *= 1 - 0.01 * spread
        """,
    "keeps-its-budget": """
        @hookimpl
        def unlearn(model, retain, context):
            for epoch in range(context.recipe.epochs):
                train(model, retain)
        """,
    "works-on-cuda": """
        @hookimpl
        def unlearn(model):
            for parameter in model.parameters():
                parameter.data += 0.01 * torch.randn(parameter.shape)
        """,
}
