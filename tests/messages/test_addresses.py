"""What is secret in an address is neither shown nor stored, however the address is written."""

from __future__ import annotations

import pytest

from vision.messages.addresses import has_hidden, redacted, redacted_text, secrets_in

SECRET = "s3cr3tXYZ"
ADDRESSES = [
    f"https://user:{SECRET}@host/coco",
    f"https://{SECRET}@host/coco",
    f"https://{SECRET}:x-oauth-basic@host:8443/coco",
    f"https://user:{SECRET}@[::1]:80/coco",
    f"HTTPS://user:{SECRET}@host/coco",
    f"https://user:p@{SECRET}@host/coco",
    f"https://user:p/{SECRET}@host/coco",
    f"https://user:p?{SECRET}@host/coco",
    f"https://user:p#{SECRET}@host/coco",
    f"https://user:p {SECRET}@host/coco",
    f"https://user:{SECRET}@host:port/coco",
    f"https://user:{SECRET}@[::1/coco",
    f"https:/user:{SECRET}@host/coco",
    f"https:user:{SECRET}@host/coco",
    f"user:{SECRET}@host/coco",
    f"//user:{SECRET}@host/coco",
    f"ftp://user:{SECRET}@host/coco",
    f" https://user:{SECRET}@host/coco",
    f"https://host/f.zip?token={SECRET}",
    f"https://host/f.zip?a=1&sig={SECRET}&b=2",
    f"https://host/f.zip?X-Amz-Signature={SECRET}&X-Amz-Credential=x",
    f"https://host/f.zip?{SECRET}",
    f"https://host/f.zip?unheard_of={SECRET}",
    f"https://host/f.zip;jsessionid={SECRET}",
    f"https://host/f.zip#{SECRET}",
    f"https://host/f.zip?x=@#{SECRET}",
    f"https://host:port/f.zip?token={SECRET}",
    f"https://user:{SECRET}@host/f@2x.zip?token={SECRET}",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_secret_is_left(address: str) -> None:
    assert SECRET not in redacted(address)
    assert "host" in redacted(address) or "[::1" in redacted(address) or "p?" in address, (
        "the rest stays readable"
    )


@pytest.mark.parametrize("address", [each for each in ADDRESSES if " " not in each])
def test_nor_inside_a_sentence(address: str) -> None:
    for text in (f"GET {address} failed", f"'{address}': no", f"--url={address}", f"(url: {address})"):
        assert SECRET not in redacted_text(text)


def test_nor_where_only_the_path_is_told() -> None:
    said = f"HTTPConnectionPool(host='h', port=80): Max retries exceeded with url: /f.zip?token={SECRET} (Caused by x)"
    assert redacted_text(said) == (
        "HTTPConnectionPool(host='h', port=80): Max retries exceeded with url: /f.zip?*** (Caused by x)"
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://host/coco",
        "http://host:8080/a@b/c.zip",
        "http://[::1]:80/",
        "https://host",
        "coco-data",
        "a:b",
        "default",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(address: str) -> None:
    assert redacted(address) == address
    assert redacted_text(f"see {address} there") == f"see {address} there"
    assert not has_hidden(redacted(address))
    assert secrets_in([address]) == []


@pytest.mark.parametrize("address", [each for each in ADDRESSES[:5] + ADDRESSES[18:24]])
def test_a_redacted_address_is_known_as_one_and_stays_it(address: str) -> None:
    assert has_hidden(redacted(address))
    assert redacted(redacted(address)) == redacted(address)


@pytest.mark.parametrize("address", [each for each in ADDRESSES if "#" not in each])
def test_the_secrets_of_a_command_line_are_known(address: str) -> None:
    for words in (["--url", address], [f"--url={address}"]):
        text = f"what {address} gave"
        for secret in secrets_in(words):
            text = text.replace(secret, "***")
        assert SECRET not in text
    assert any(SECRET in secret for secret in secrets_in([address]))


def test_a_password_is_known_as_typed_and_decoded() -> None:
    assert {"p%40ss", "p@ss"} <= set(secrets_in(["https://user:p%40ss@host/"]))
