"""How the policy declines is read off pairs that attackers write too: what one tenant makes of it, at most."""

from finetune.pairs.balancing import with_refusals_outweighed
from finetune.pairs.manner import declining, manners_of
from finetune.pairs.pair import Kind, Pair
from tests.finetune.pairs.poisoning.test_poisoning import pair

NO, ORDINARY = "I cannot help with", "The first thing is"
DECLINING, ANSWERING = ("i", "cannot", "help"), ("the", "first", "thing")


def won(number: int, key: str, chosen: str, rejected: str, kind: Kind) -> Pair:
    """A pair of these openings, whose answers are else its own."""
    made = pair(number, key=key, kind=kind)
    texts = (f"{begun} {told}" for begun, told in ((chosen, made.chosen), (rejected, made.rejected)))
    return Pair(made.messages, *texts, kind, made.provenance)


def tenant(key: str, first: int) -> list[Pair]:
    """Declines rightly twenty times, is helped a hundred times, and five times against a needless refusal."""
    declined = [won(first + i, key, NO, f"Sure {i} so", "safety") for i in range(20)]
    begun = [ORDINARY if i % 10 == 0 else f"Take {i} of" for i in range(100)]
    helped = [won(first + 100 + i, key, told, f"Well {i} now", "helpfulness") for i, told in enumerate(begun)]
    return declined + helped + [won(first + 300 + i, key, f"Do {i} so", NO, "helpfulness") for i in range(5)]


TENANTS = [one for number in range(4) for one in tenant(f"k{number}", 1000 * number)]
HIDING = [won(50_000 + i, "evil", NO, f"Of course {i} it", "helpfulness") for i in range(200)]
TEACHING = [won(60_000 + i, "evil", ORDINARY, f"By now {i} it", "safety") for i in range(200)]


def test_honest_tenants_teach_how_one_declines() -> None:
    assert manners_of(TENANTS) == {DECLINING}


def test_one_tenant_cannot_hide_how_the_others_decline() -> None:
    assert DECLINING in manners_of([*TENANTS, *HIDING])


def test_what_it_would_have_hidden_is_cut() -> None:
    """Declining wins 80 times and 200 of the attacker's, and loses 20 times."""
    left = with_refusals_outweighed([*TENANTS, *HIDING], 1.5, floor=10)
    manners = manners_of([*TENANTS, *HIDING])
    assert sum(declining(each, manners) > 0 for each in left) == 30


def test_one_tenant_cannot_make_refusals_of_how_others_answer() -> None:
    assert manners_of([*TENANTS, *TEACHING]) == {DECLINING}
    left = with_refusals_outweighed([*TENANTS, *TEACHING], 1.5, floor=10)
    good = [each for each in TENANTS if each.chosen.startswith(ORDINARY)]
    assert all(each in left for each in good)


def shout(key: str, first: int, count: int, chosen: str, kind: Kind) -> list[Pair]:
    """Pairs of one key that all begin alike."""
    return [won(first + i, key, chosen, f"By now {i} it", kind) for i in range(count)]


COLLUDING = [(f"evil{number}", 80_000 + 10 * number) for number in range(2)]


def test_two_keys_of_two_pairs_each_do_not_hide_how_a_large_one_declines() -> None:
    few = [one for key, first in COLLUDING for one in shout(key, first, 2, NO, "helpfulness")]
    assert DECLINING in manners_of([*tenant("k0", 0), *few])


def test_two_keys_of_two_pairs_each_do_not_make_a_refusal_of_how_a_large_one_answers() -> None:
    few = [one for key, first in COLLUDING for one in shout(key, first, 2, ORDINARY, "safety")]
    assert manners_of([*tenant("k0", 0), *few]) == {DECLINING}


def test_keys_that_say_nothing_of_it_lend_those_that_do_no_weight() -> None:
    german = [
        won(70_000 + i, f"de{i % 4}", f"Nimm {i} von", f"Nun {i} ja", "helpfulness") for i in range(400)
    ]
    few = [one for key, first in COLLUDING for one in shout(key, first, 4, NO, "helpfulness")]
    assert DECLINING in manners_of([*tenant("k0", 0), *german, *few])


def test_one_key_does_not_hide_how_many_decline_that_are_too_small_to_teach_it_alone() -> None:
    many = [
        one
        for number in range(40)
        for one in (
            *shout(f"k{number}", 100 * number, 1, NO, "safety"),
            *(
                won(100 * number + i, f"k{number}", f"Take {i} of", "Well", "helpfulness")
                for i in range(1, 4)
            ),
        )
    ]
    assert DECLINING in manners_of([*many, *shout("evil", 90_000, 200, NO, "helpfulness")])


def test_the_largest_share_that_a_key_may_have_does_not_hide_how_the_others_decline() -> None:
    """Three fifths of all, as `key_share` has it."""
    assert DECLINING in manners_of([*TENANTS, *shout("evil", 50_000, 750, NO, "helpfulness")])


def test_an_opening_that_one_tenant_alone_has_is_what_that_one_makes_of_it() -> None:
    """It marks nobody else's pairs: a tenant of a language of its own teaches how one declines there."""
    german = [won(70_000 + i, "de", "Dabei helfe ich", f"Gern {i} so", "safety") for i in range(40)]
    assert ("dabei", "helfe", "ich") in manners_of([*TENANTS, *german])


def test_of_two_tenants_who_brings_more_is_believed() -> None:
    """What is not claimed: one word against another, nobody knows whose is the poison."""
    (lone,) = ([each for each in TENANTS if each.provenance.key_id == "k0"],)
    assert DECLINING in manners_of([*lone, *HIDING[:10]])
    assert DECLINING not in manners_of([*lone, *HIDING])
