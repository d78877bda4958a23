#include "hazards.h"
const struct tests  move_tests, area_tests, lock_tests, swap_tests, file_tests, scale_tests;
