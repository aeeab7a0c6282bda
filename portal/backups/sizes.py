"""How many bytes, as one says it."""


def said(size: int) -> str:
    """« 12,3 Mo »; of 1000 bytes a kilo, as disks are sold."""
    number = float(size)
    for unit in ("octets", "ko", "Mo", "Go"):
        if number < 1000 or unit == "Go":
            break
        number /= 1000
    digits = 0 if unit == "octets" or number >= 100 else 1
    return f"{number:.{digits}f} {unit}".replace(".", ",")
