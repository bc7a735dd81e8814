#include "tests/policy/policy_fixture.hpp"
