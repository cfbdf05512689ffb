"""What is taken of an uploaded image: pixels in known formats and sizes, and nothing else."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from posts.images import checking
from posts.images.checking import ImageRefusedError, checked
from tests.image_files import encoded, picture, png_of_size


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def refusal(data: bytes) -> ImageRefusedError:
    with pytest.raises(ImageRefusedError) as caught:
        checked(data)
    return caught.value


@pytest.mark.parametrize(
    ("form", "kept_as"),
    [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("AVIF", "webp"), ("GIF", "png")],
)
def test_known_formats_are_kept_with_their_size(form, kept_as):
    found = checked(encoded(form=form))

    assert (found.format, found.width, found.height) == (kept_as, 800, 400)
    image = opened(found.data)
    assert image.size == (800, 400)
    red, green, blue = image.convert("RGB").getpixel((20, 20))
    assert (red > 200, green < 60, blue < 60) == (True, True, True)


def test_the_same_image_has_the_same_digest_and_another_has_another():
    first, again = checked(encoded()), checked(encoded())

    assert first.digest == again.digest
    assert len(first.digest) == 64
    assert checked(encoded(picture(seed=9))).digest != first.digest


SECRET = "56.0, 12.0 in the harbour"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_nothing_but_pixels_comes_through(form):
    exif = Image.Exif()
    exif[0x010E] = SECRET
    exif.get_ifd(0x8825)[1] = "N"
    how = {"exif": exif.tobytes()}
    if form == "PNG":
        how["pnginfo"] = PngImagePlugin.PngInfo()
        how["pnginfo"].add_text("Comment", SECRET)
    if form in ("JPEG", "WEBP"):
        how["xmp"] = SECRET.encode()
    if form == "JPEG":
        how["comment"] = SECRET
    sent = encoded(form=form, **how) + b"appended " + SECRET.encode()
    assert SECRET.encode() in sent

    found = checked(sent)

    assert SECRET.encode() not in found.data
    image = opened(found.data)
    assert not image.getexif()
    assert not {"exif", "xmp", "comment", "Comment", "icc_profile"} & image.info.keys()


def test_orientation_is_applied_before_it_is_dropped():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    found = checked(encoded(form="JPEG", exif=exif.tobytes()))

    assert (found.width, found.height) == (400, 800)
    assert opened(found.data).getpixel((380, 20))[0] > 200  # the red corner is right above


def test_transparency_stays_and_a_full_one_goes():
    clear = picture(mode="RGBA")
    clear.putalpha(Image.new("L", clear.size, 0))

    assert opened(checked(encoded(clear)).data).mode == "RGBA"
    assert opened(checked(encoded(picture(mode="RGBA"))).data).mode == "RGB"
    palette = picture(mode="P")
    hidden = encoded(palette, transparency=palette.getpixel((1, 1)))
    assert opened(checked(hidden).data).mode == "RGBA"


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "I;16", "LA", "RGB"])
def test_every_mode_becomes_one_of_the_web(mode):
    image = Image.new("I;16", (64, 64), 40_000) if mode == "I;16" else picture(64, 64, mode)

    found = opened(checked(encoded(image, "JPEG" if mode == "CMYK" else "PNG")).data)

    assert found.mode in ("L", "RGB")
    if mode == "I;16":
        assert found.getpixel((5, 5)) == 40_000 // 256


def test_colours_of_another_profile_are_turned_into_those_of_the_web():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    sent = encoded(form="JPEG", icc_profile=profile)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

    assert "icc_profile" not in opened(checked(sent).data).info
    assert checked(encoded(icc_profile=lab)).width == 800  # of other colours than the pixels: left
    assert checked(encoded(icc_profile=b"no profile at all")).width == 800


def test_a_wide_image_is_kept_twice_as_wide_as_a_page_needs():
    found = checked(encoded(picture(4_800, 600), "JPEG"))

    assert (found.width, found.height) == (checking.WIDTH_KEPT, 300)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "empty", "empty"),
        (b"<?xml version='1.0'?><svg xmlns='x'><script/></svg>", "format", "SVG"),
        (b"%PDF-1.4 " + b"x" * 500, "format", "expected JPEG, PNG, WebP, AVIF or GIF"),
        (encoded(form="BMP"), "format", "expected JPEG"),
        (encoded(form="TIFF"), "format", "expected JPEG"),
        (encoded()[:700], "damaged", "Save it again"),
        (encoded(form="JPEG")[:700], "damaged", "Save it again"),
        (encoded(picture(4, 400)), "size", "4 × 400 pixels"),
        (encoded(picture(10_001, 9)), "size", "10,001 × 9 pixels"),
        (png_of_size(9_000, 9_000), "pixels", "up to 40 million"),
        (png_of_size(30_000, 30_000), "pixels", "up to 40 million"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_what_is_refused_is_told_with_what_to_do(data, code, words):
    error = refusal(data)

    assert error.code == code
    assert words in str(error)


def test_a_name_or_type_is_never_asked(settings):
    """A script that is called a picture, and one that only begins like one."""
    assert refusal(b"<script>alert(1)</script>").code == "format"
    assert refusal(b"\xff\xd8\xff\xe0" + b"<script>alert(1)</script>" * 50).code in (
        "format",
        "damaged",
    )


def test_a_film_is_refused():
    frames = [picture(64, 64).rotate(90 * n) for n in range(3)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    moving_webp = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])

    assert refusal(moving).code == "animated"
    assert refusal(moving_webp).code == "animated"


def test_the_first_picture_of_a_telephone_is_taken():
    several = encoded(picture(), "MPO", save_all=True, append_images=[picture(seed=5)])

    assert checked(several).format == "jpeg"


def test_length_is_capped(settings):
    settings.IMAGE_UPLOAD_MAX_BYTES = 1024 * 1024
    noise = encoded(Image.effect_noise((1200, 1200), 90))
    assert len(noise) > settings.IMAGE_UPLOAD_MAX_BYTES

    error = refusal(noise)

    assert (error.code, "more than 1 MB" in str(error)) == ("too_long", True)


SAMPLES = [encoded(picture(40, 30), form) for form in ("JPEG", "PNG", "WEBP", "AVIF", "GIF")]


@settings(max_examples=150)
@given(
    sample=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=6),
    end=st.integers(0, 5_000),
)
def test_no_damage_is_more_than_a_refusal(sample, changes, end):
    data = bytearray(sample)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        found = checked(bytes(data[: max(1, end)]))
    except ImageRefusedError:
        return
    assert opened(found.data).size == (found.width, found.height)


def test_size_is_read_from_the_beginning():
    assert checking.size_of(encoded(picture(900, 500), "JPEG")[:2_000]) == (900, 500)
