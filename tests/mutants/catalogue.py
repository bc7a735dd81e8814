"""The mutants: each takes one erase, check, wait or durable write out of the product.

A mutant is an exact replacement at one place. If its text is not in the file exactly once, the run
fails: the list must move with the code. `tests` are test programs, each with the cases to run (all
if none are named). `ci` marks those that CI runs: one file to compile, one quick program.
`waits_for` names what the suite still needs in order to see the difference; those do not count.
"""

from dataclasses import dataclass

TREE = ("oubliette_tree_tests",)
CELLS = ("oubliette_cells_tests",)
PLANE = ("oubliette_plane_tests",)
CRASH = ("plane_crash_tests",)
CRYPTO = ("crypto_tests",)
LYING = ("oubliette_lying_disk_tests",)


def verbs(*cases):
    return ("oubliette_verbs_tests", *cases)


def plane(*cases):
    return ("oubliette_plane_tests", *cases)


K0 = plane("a keeper refuses*")


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    tests: tuple  # of (program, case, ...)
    ci: bool = False
    waits_for: str = ""


POWER = ("power_cut_tests", "a power cut loses nothing*")
MEMORY = ("oubliette_memory_tests",)

MUTANTS = [
    # ---- Cells and k1 to k3
    Mutant("k1: no new anchor", "vault/keys/keeper_commit.cpp",
           "write_anchor(slot, anchor, head.epoch);  // k1", "", (PLANE,)),
    Mutant("k1: not read back", "vault/keys/keeper_commit.cpp",
           "if (!written || !crypto::equal_constant_time(written->anchor.expose(), "
           "anchor.expose())) {", "if (false && written) {", (LYING,)),
    Mutant("k1: into the live slot", "vault/keys/keeper_commit.cpp",
           "const unsigned slot = live_slot_ ? 1 - *live_slot_ : 0;",
           "const unsigned slot = live_slot_ ? *live_slot_ : 0;", (PLANE,)),
    Mutant("k3: no overwrite", "vault/keys/keeper_commit.cpp",
           "cell_->erase(1 - slot);  // k3", "", (CRASH,)),
    Mutant("k3: root not opened again", "vault/keys/keeper_commit.cpp",
           "if (root_hash(open_root_of(target, slot)) != next.row.row.root_hash) {",
           "if (false) {", (LYING,)),
    Mutant("k3: cell that moved", "vault/keys/keeper_commit.cpp",
           "if (!cell_->in_place()) {", "if (false) {", (LYING,)),
    Mutant("cell: erase not read back", "vault/keys/cell.cpp",
           "if (state_->read_block(slot)->bytes != random->bytes) {", "if (false) {", (LYING,)),
    Mutant("cell: erase with nothing", "vault/keys/cell.cpp",
           "auto random = std::make_unique<Block>();\n    crypto::random_bytes(random->bytes);",
           "auto random = state_->read_block(slot);", (CELLS,), ci=True),
    Mutant("cell: FIEMAP not compared", "vault/keys/cell.cpp",
           "            state_->physical[slot]) {\n            return false;",
           "            state_->physical[slot]) {\n            return true;", (CELLS,)),
    Mutant("cell: written lazily", "vault/keys/cell.cpp",
           "read_only ? O_RDONLY : O_RDWR | O_DSYNC", "read_only ? O_RDONLY : O_RDWR", (POWER,)),
    Mutant("recovery: other slot stays", "vault/keys/keeper.cpp",
           "cell_->erase(1 - live->slot);", "", (CRASH,)),
    Mutant("recovery: other directories stay", "vault/keys/keeper.cpp",
           "if (number != plane_.number) remove_durably(", "if (false) remove_durably(",
           (plane("a keeper put back*"),)),

    # ---- k0
    Mutant("k0: not the next", "vault/keys/keeper_commit.cpp",
           'refuse("it is not the next one")', "(void)0", (K0,)),
    Mutant("k0: term over", "vault/keys/keeper_commit.cpp",
           'if (row.term < term) refuse("its term is over");', "", (K0,)),
    Mutant("k0: hash of other parts", "vault/keys/keeper_commit.cpp",
           'refuse("its hash is not that of its parts")', "(void)0", (K0,)),
    Mutant("k0: requests of another root", "vault/keys/keeper_commit.cpp",
           'refuse("its requests are not those of its root")', "(void)0", (K0,)),
    Mutant("k0: other members", "vault/keys/keeper_commit.cpp",
           'refuse("its members are others")', "(void)0", (K0,)),
    Mutant("k0: another root", "vault/keys/keeper_commit.cpp",
           'refuse("its root is another")', "(void)0", (K0,)),
    Mutant("k0: pages not checked", "vault/keys/keeper_commit.cpp",
           'if (!good) refuse("its pages', 'if (false && !good) refuse("its pages', (K0,)),

    # ---- check_diff
    Mutant("check: seed may change", "vault/keys/tree_check.cpp",
           "before.tag == NodeTag::seed && wanted.none() && before.same_key(after);",
           "before.tag == NodeTag::seed && wanted.none();", (TREE,), ci=True),
    Mutant("check: dead may live again", "vault/keys/tree_check.cpp",
           "if (before.tag == NodeTag::dead || wanted.kills(path)) return false;",
           "if (wanted.kills(path)) return false;", (TREE,)),
    Mutant("check: requested may live", "vault/keys/tree_check.cpp",
           "if (before.tag == NodeTag::dead || wanted.kills(path)) return false;",
           "if (before.tag == NodeTag::dead) return false;", (TREE,)),
    Mutant("check: more may die", "vault/keys/tree_check.cpp",
           "if (after.tag == NodeTag::dead) return all_killed(before, path, wanted);",
           "if (after.tag == NodeTag::dead) return true;", (TREE,)),
    Mutant("check: root key stays", "vault/keys/tree_check.cpp",
           "return !before.same_key(after) && check_new_page", "return check_new_page", (TREE,)),
    Mutant("check: pages out of reach", "vault/keys/tree_check.cpp",
           "new_page_count_ == diff_.pages.size() && check_deletes()", "check_deletes()", (TREE,)),
    Mutant("check: deletes at will", "vault/keys/tree_check.cpp",
           "new_page_count_ == diff_.pages.size() && check_deletes()",
           "new_page_count_ == diff_.pages.size()", (TREE,)),
    Mutant("check: page kept, leaf alive", "vault/keys/tree_check.cpp",
           "return was_dead(before, path, wanted);\n    }\n    // A fresh",
           "return true;\n    }\n    // A fresh", (TREE,)),
    Mutant("check: keys off the path", "vault/keys/tree_check.cpp",
           "if (wanted.none()) return false;", "", (TREE,)),

    # ---- Finality
    Mutant("final: one keeper is enough", "vault/keys/leader_finality.cpp",
           "return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {",
           "return std::any_of(members_.begin(), members_.end(), [&](const Member& member) {",
           (plane("while a keeper is away*"),), ci=True),
    Mutant("final: requests under way", "vault/keys/leader_finality.cpp",
           " || !gate_.done(next->second.turn)", "",
           (plane("a group is not final before*"),), ci=True),
    Mutant("ack: hash not bound", "vault/keys/records.cpp",
           "        .bytes(ack.hash)\n", "        .bytes(ack.previous_hash)\n", (PLANE,)),
    Mutant("fallback: lost groups", "vault/keys/leader_places.cpp",
           "run_again_what_is_lost(first);", "",
           (plane("a running plane that falls back*"),)),
    Mutant("fallback: lower term", "vault/keys/leader_places.cpp",
           "term_ = std::max(term_, head.term);", "",
           (plane("a running plane goes on above*"),)),

    # ---- The leader, and what keepers remember
    Mutant("submit: not dead at once", "vault/keys/leader.cpp",
           "tree_.mark_dead(addresses);", "", (PLANE,)),
    Mutant("submit: cached seeds stay", "vault/keys/live_tree.cpp",
           "dead_.add(paths);\n    seeds_.wipe(paths);", "dead_.add(paths);", (PLANE,)),
    Mutant("L4: cached pages stay", "vault/keys/live_tree.cpp",
           "for (const PageId& page : pages) pages_.wipe(page);", "(void)pages;", (PLANE,)),
    Mutant("L4: cached seeds stay", "vault/keys/live_tree.cpp",
           "    seeds_.wipe(punctures);\n}", "    (void)punctures;\n}", (PLANE, MEMORY)),
    Mutant("pending: no row", "vault/keys/leader_groups.cpp",
           "write_everywhere([&](Keeper& keeper) { keeper.write_memory(memory); });\n"
           "        return true;", "return true;", (PLANE,)),
    Mutant("pending: not merged", "vault/keys/keeper_rows.cpp",
           "if (!known) to.pending.push_back(revocation);", "", (PLANE,)),
    Mutant("registers: last one wins", "vault/keys/keeper_rows.cpp",
           "        mine = std::max(mine, value);\n    }\n    if (is_older",
           "        mine = value;\n    }\n    if (is_older", (PLANE,)),
    Mutant("forks: dead sets not united", "vault/keys/reconcile.cpp",
           "for (Revocation& request : requests) run_request(std::move(request));", "", (PLANE,)),
    Mutant("forks: epoch not above both", "vault/keys/reconcile.cpp",
           "epoch_ = std::max(epoch_, head.epoch) + 1;", "epoch_ = head.epoch + 1;", (CRASH,)),
    Mutant("start: term stays", "vault/keys/leader_places.cpp",
           "raise_registers({{term_key, term}});", "", (plane("every start has a higher term"),)),
    Mutant("rule N: bank without a keeper", "vault/keys/leader.cpp",
           "if (!is_everyone_in_sync()) {", "if (false) {", (PLANE,)),

    # ---- The data plane
    Mutant("revoke: queue row", "vault/revoking.cpp",
           "    write_queued(view, row);\n}", "}",
           (verbs("erasures that were answered*", "a killed vault keeps*"),)),
    Mutant("queue: tag not checked", "vault/revoking.cpp",
           "return queue_key_ && is_authentic(row, queue_key_->expose());", "return true;",
           (verbs("a revocation that somebody else wrote*"),)),
    Mutant("revoke: answer before the state record", "vault/revoking.cpp",
           "revocation.scope == keys::RevocationScope::consent;", "false;",
           (verbs("a withdrawal that was answered*"),)),
    Mutant("withdrawal: markers live", "vault/consents.cpp",
           "if (stored.alive) paths.push_back(", "if (false) paths.push_back(",
           (verbs("an old copy brings back no consent*"),)),
    Mutant("withdrawal: implicit marker lives", "vault/consents.cpp",
           "if (state == keys::NodeState::whole) {", "if (false) {",
           (verbs("*objection*", "an old copy brings back no consent*"),)),
    Mutant("delete: replaced values live", "vault/erase.cpp",
           "    add_superseded(writing, addresses, person->number);\n", "",
           (verbs("a field's deletion takes*"),)),
    Mutant("erase: no audit entry", "vault/erase.cpp",
           "is_field ? outcome.number : std::nullopt, std::nullopt, row.id);",
           "is_field ? outcome.number : std::nullopt, Refusal::not_found, row.id);",
           (verbs("*eras*"),)),
    Mutant("final: entry in no commit", "vault/revoking.cpp",
           "    log_->append(entry);\n    write_erasure(view, *erasure);",
           "    write_erasure(view, *erasure);",
           (verbs("*eras*"),)),
    Mutant("final: term not checked", "vault/revoking.cpp",
           "if (!term || ByteReader{*term}.le64() != term_) {", "if (false) {",
           (verbs("*eras*", "*term*"),)),
    Mutant("rollback: not noticed", "vault/core.cpp",
           "rolled_back_ = is_behind || is_fork;", "rolled_back_ = false;",
           (verbs("an old copy*", "numbers given*"),)),
    Mutant("numbers: lease of a lost keeper", "vault/core.cpp",
           "        teach_lease(*view);\n", "", (verbs("numbers given while*"),)),
    Mutant("rollback: hot rows of old", "vault/people/people.cpp",
           "const bool is_current = Header::decode(row)->generation == generation_;",
           "const bool is_current = true;",
           (verbs("an old copy*"),)),
    Mutant("rollback: item numbers again", "vault/people/people.cpp",
           "        jump_to_fresh_area(person.row);\n", "",
           (verbs("numbers given*", "an old copy*", "*old copy*"),)),

    # ---- Boxes
    Mutant("box: salt not random", "crypto/box.cpp", "    random_bytes(salt);\n", "", (CRYPTO,),
           ci=True),
    Mutant("box: commitment not checked", "crypto/box.cpp",
           "if (!equal_constant_time(expected, box.subspan(kCommitmentOffset, "
           "expected.size()))) {", "if (false) {", (CRYPTO,)),
    Mutant("box: key material stays", "crypto/box.cpp", "~BoxKeys() { wipe(okm_); }",
           "~BoxKeys() = default;", (CRYPTO,), waits_for="a scan of the stack below a box"),
    Mutant("store: commit not flushed", "vault/store/lmdb_environment.cpp",
           "const unsigned flags = MDB_NOTLS |", "const unsigned flags = MDB_NOSYNC | MDB_NOTLS |", (POWER,)),
    Mutant("store: directory not synced", "vault/store/owned_directory.cpp",
           "directory >= 0 && ::fsync(directory) == 0;", "directory >= 0;", (POWER,)),
    Mutant("memory: values not wiped", "crypto/secret.hpp",
           "~Key() { wipe(bytes_); }", "~Key() = default;", (MEMORY,)),
]
