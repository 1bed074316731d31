"""Letters that imitate Latin ones: from other scripts, small capitals, letters turned round, letters in boxes."""

_TABLES = (
    # Cyrillic
    ("аеорсухіјѕһԁɡӏкмтнвьгпԝԛѵшАВЕКМНОРСТУХІЈЅԚԜЬ", "aeopcyxijshdglkmthbbrnwqvwABEKMHOPCTYXIJSQWb"),
    # Greek
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανρτυικεηγωχβ", "ABEZHIKMNOPTYXoavptuikenywxb"),
    # Armenian
    ("օհոսզցյՕՍՏԼ", "ohnuqgjOUSL"),
    # Cherokee
    ("ᎪᎬᎳᎻᏚᎢᏢᏞᎷᏴᏟᎠᏀᎫᏦᎡᏙᏃ", "AEWHSTPLMBCDGJKRVZ"),
    # Latin letters of another shape
    ("ıɑɩʟᴀʙᴄᴅᴇꜰɢʜɪᴊᴋᴌᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "iailabcdefghijklmnopqrstuvwyz"),
)
LOOK_ALIKES: dict[str, str] = {
    one: latin for row, letters in _TABLES for one, latin in zip(row, letters, strict=True)
}
# Letters turned upside down, some of which are other letters the right way up.
TURNED = dict(zip("ɐqɔpǝɟƃɥᴉɾʞɯuodbɹʇnʌʍʎ", "abcdefghijkmnopqrtuvwy", strict=True))
TURNED_ALONE = frozenset("ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ")


def boxed() -> dict[str, str]:
    """Letters in parentheses, dark squares and circles, and those that flags are spelled with.

    NFKC knows the light ones, but keeps parentheses.
    """
    firsts = (0x1F110, 0x1F150, 0x1F170, 0x1F1E6)
    small = {chr(0x249C + at): chr(ord("a") + at) for at in range(26)}
    return small | {chr(first + at): chr(ord("A") + at) for first in firsts for at in range(26)}
