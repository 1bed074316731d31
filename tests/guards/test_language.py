"""In which language a text is, told for certain or not at all."""

import pytest

from guards.language import known_languages, language_of, likely_languages, sample

SENTENCES = {
    "en": "How do I reset the password of my account?",
    "de": "Wie kann ich das Passwort meines Kontos zurücksetzen?",
    "fr": "Comment puis-je réinitialiser le mot de passe de mon compte ?",
    "es": "¿Cómo puedo restablecer la contraseña de mi cuenta?",
    "it": "Come posso reimpostare la password del mio account?",
    "pl": "Jak mogę zresetować hasło do mojego konta?",
    "ru": "Как мне восстановить пароль от моей учётной записи?",
    "ar": "كيف يمكنني إعادة تعيين كلمة المرور الخاصة بحسابي؟",
    "zh": "我怎样才能重置我的账户密码",
    "ja": "アカウントのパスワードをリセットするにはどうすればいいですか",
    "ko": "계정 비밀번호를 어떻게 재설정하나요?",
    "sw": "Ninawezaje kubadilisha nenosiri la akaunti yangu?",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_tells_its_language(code: str) -> None:
    assert language_of(SENTENCES[code]) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello",
        "你好",
        "4111 1111 1111 1111",
        "def f(x): return x + 1",
        "```python\nprint('a long one')\n```",
    ],
)
def test_what_is_short_or_in_no_language_tells_none(text: str) -> None:
    assert language_of(text) is None


def test_code_and_addresses_beside_a_sentence_do_not_count() -> None:
    text = f"{SENTENCES['de']} `from the beginning of the list` https://example.com/what/is/the/password"
    assert language_of(text) == "de"


def test_of_a_long_text_what_is_read_is_bounded() -> None:
    assert len(sample("word " * 200_000)) <= 1800


def test_probabilities_add_up_to_no_more_than_one() -> None:
    assert 0.5 < sum(likely_languages("Please send me the report tomorrow morning").values()) <= 1.0001


def test_lone_surrogates_and_noise_are_no_language() -> None:
    assert language_of("\ud800\udfff" * 50) is None


def test_only_codes_of_two_letters_are_known() -> None:
    assert {"en", "de", "zh"} <= known_languages()
    assert all(len(code) == 2 for code in known_languages())
