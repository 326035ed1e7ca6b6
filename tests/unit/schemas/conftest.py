import pytest

from schemas import accelerator
from schemas.codec import Codec, local_codec


@pytest.fixture(scope="session")
def codec() -> Codec:
    """As installed: with the extension, unless it could not be built here."""
    return local_codec()


@pytest.fixture(scope="session")
def plain_codec() -> Codec:
    """Without the extension."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accelerator, "ACCELERATED", False)
        return local_codec()
