/*
 * test_tree.c: the treap against a plain array: order, augmented words and interval queries after
 * every operation, and the shape.
 */
#include "unit.h"

#include <string.h>

#define STEPS 100000

struct item {
	struct om_node node;
	uintptr_t first, last;
	unsigned stamp; /* the operation in which `aug` was last called */
	bool in;
};

static unsigned operation;

static struct item *item_of(const struct om_node *n)
{
	return om_container((uintptr_t)n, struct item, node);
}

static uintptr_t item_key(const struct om_node *n)
{
	return item_of(n)->first;
}

static uintptr_t item_last(const struct om_node *n)
{
	return item_of(n)->last;
}

static uintptr_t max(uintptr_t a, uintptr_t b)
{
	return a > b ? a : b;
}

/* The largest `last`; checks that an operation asks once for each node. */
static uintptr_t item_aug(struct om_node *n)
{
	struct item *item = item_of(n);

	assert_int_not_equal(item->stamp, operation);
	item->stamp = operation;
	return max(item->last, max(n->left ? n->left->aug : 0, n->right ? n->right->aug : 0));
}

static const struct om_interval_ops item_ops = {
    .tree = {.key = item_key, .aug = item_aug},
    .last = item_last,
};

static void insert(struct om_system *sys, struct om_node **root, struct item *item)
{
	operation++;
	om_tree_insert(sys, root, &item->node, &item_ops.tree);
	item->in = true;
}

static void remove_item(struct om_system *sys, struct om_node **root, struct item *item)
{
	operation++;
	om_tree_remove(sys, root, &item->node, &item_ops.tree);
	item->in = false;
}

/* Order and words of a subtree; returns its size, and its height in *height. */
static unsigned check_subtree(const struct om_node *n, const struct om_node **prev,
                              unsigned *height)
{
	unsigned size, left, right;
	uintptr_t aug;

	*height = 0;
	if (!n)
		return 0;
	size = check_subtree(n->left, prev, &left);
	if (*prev) {
		assert_true(item_key(*prev) <= item_key(n));
		assert_true(item_key(*prev) < item_key(n) || *prev < n);
	}
	*prev = n;
	size += 1 + check_subtree(n->right, prev, &right);
	aug = max(n->left ? n->left->aug : 0, n->right ? n->right->aug : 0);
	assert_true(n->aug == max(item_last(n), aug));
	*height = 1 + (left > right ? left : right);
	return size;
}

static unsigned check_tree(const struct om_node *root, unsigned *height)
{
	const struct om_node *prev = NULL;

	return check_subtree(root, &prev, height);
}

/* items[] lies in memory in the order of addresses, so ties are resolved by its order. */
static struct item *brute_next(struct item *items, unsigned n, const struct item *after,
                               uintptr_t first, uintptr_t last)
{
	struct item *best = NULL;

	for (struct item *i = items; i < items + n; i++) {
		if (!i->in || i->first > last || i->last < first)
			continue;
		if (after && (i->first < after->first || (i->first == after->first && i <= after)))
			continue;
		if (!best || i->first < best->first)
			best = i;
	}
	return best;
}

static void check_query(struct om_system *sys, const struct om_node *root, struct item *items,
                        unsigned n, uintptr_t first, uintptr_t last)
{
	struct om_interval_iter it;
	struct item *want = NULL;
	struct om_node *got = om_interval_first(&it, sys, root, &item_ops, first, last);

	while ((want = brute_next(items, n, want, first, last))) {
		assert_ptr_equal(got, &want->node);
		got = om_interval_next(&it);
	}
	assert_null(got);
	assert_null(om_interval_next(&it));
}

/* The same query, put down after each node; the place outlives the node that was there. */
static void check_resume(struct om_system *sys, struct om_node **root, struct item *items,
                         unsigned n, uintptr_t first, uintptr_t last)
{
	struct om_interval_iter it;
	struct item *want = brute_next(items, n, NULL, first, last);
	struct om_node *got = om_interval_first(&it, sys, *root, &item_ops, first, last);

	while (want) {
		struct item *here = want;

		assert_ptr_equal(got, &here->node);
		want = brute_next(items, n, here, first, last);
		remove_item(sys, root, here);
		got = om_interval_resume(&it, sys, *root, &item_ops, first, last, here->first,
		                         (uintptr_t)&here->node);
		assert_ptr_equal(got, want ? &want->node : NULL);
		insert(sys, root, here);
		got = om_interval_resume(&it, sys, *root, &item_ops, first, last, here->first,
		                         (uintptr_t)&here->node);
		assert_ptr_equal(got, want ? &want->node : NULL);
	}
	assert_null(got);
}

static void random_interval(uint64_t *rand, uintptr_t *first, uintptr_t *last)
{
	uintptr_t len = unit_rand(rand) % 4 ? unit_rand(rand) % 8 : unit_rand(rand) % 300;

	*first = unit_rand(rand) % 256;
	if (unit_rand(rand) % 16 == 0)
		*first = UINTPTR_MAX - *first;
	*last = *first + len < *first ? UINTPTR_MAX : *first + len;
}

static void test_random(void **state)
{
	enum { N = 48 };
	struct om_system *sys = unit_system(1);
	struct om_node *root = NULL;
	struct item *items = calloc(N, sizeof(*items));
	uint64_t rand = 1;
	unsigned in = 0, height;

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		struct item *item = &items[unit_rand(&rand) % N];
		uintptr_t first, last;

		random_interval(&rand, &first, &last);
		if (!item->in) {
			item->first = first;
			item->last = last;
			insert(sys, &root, item);
			in++;
		} else if (unit_rand(&rand) % 2) {
			remove_item(sys, &root, item);
			in--;
		} else {
			item->last = max(item->first, last);
			operation++;
			om_tree_update(sys, &root, &item->node, &item_ops.tree);
		}
		assert_int_equal(check_tree(root, &height), in);
		random_interval(&rand, &first, &last);
		check_query(sys, root, items, N, first, last);
		if (step % 16 == 0)
			check_resume(sys, &root, items, N, first, last);
	}
	free(items);
	unit_system_free(sys);
}

/* More nodes, checked now and then. */
static void test_large(void **state)
{
	enum { N = 3000 };
	struct om_system *sys = unit_system(1);
	struct om_node *root = NULL;
	struct item *items = calloc(N, sizeof(*items));
	uint64_t rand = 2;
	unsigned in = 0, height;

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		struct item *item = &items[unit_rand(&rand) % N];

		if (!item->in) {
			item->first = unit_rand(&rand) % 100000;
			item->last = item->first + unit_rand(&rand) % 50;
			insert(sys, &root, item);
			in++;
		} else {
			remove_item(sys, &root, item);
			in--;
		}
		if (step % 1000 == 0) {
			uintptr_t first = unit_rand(&rand) % 100000;

			assert_int_equal(check_tree(root, &height), in);
			check_query(sys, root, items, N, first, first + 2000);
		}
	}
	check_query(sys, root, items, N, 0, UINTPTR_MAX);
	free(items);
	unit_system_free(sys);
}

/* An empty tree, one node, the ends of the number line. */
static void test_edges(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_node *root = NULL;
	struct item items[3] = {{.first = 0, .last = UINTPTR_MAX},
	                        {.first = UINTPTR_MAX, .last = UINTPTR_MAX},
	                        {.first = 0, .last = 0}};
	unsigned height;

	(void)state;
	check_query(sys, root, items, 3, 0, UINTPTR_MAX);
	for (unsigned i = 0; i < 3; i++)
		insert(sys, &root, &items[i]);
	assert_int_equal(check_tree(root, &height), 3);
	check_query(sys, root, items, 3, 0, 0);
	check_query(sys, root, items, 3, 1, 1);
	check_query(sys, root, items, 3, UINTPTR_MAX, UINTPTR_MAX);
	for (unsigned i = 0; i < 3; i++)
		remove_item(sys, &root, &items[i]);
	assert_null(root);
	unit_system_free(sys);
}

/*
 * Nodes at equal distances with keys that rise along, as objects of a slab have them: the hash must
 * not let them line up. 144 and 233 are Fibonacci numbers, the worst case of a plain
 * multiplication.
 */
static void test_shape(void **state)
{
	static const size_t stride[] = {120, 128, 136, 144, 232, 233 * 8, 376, 4096};
	enum { N = 10000 };
	struct om_system *sys = unit_system(1);

	(void)state;
	for (unsigned s = 0; s < sizeof(stride) / sizeof(stride[0]); s++) {
		char *memory = calloc(N, stride[s]);
		struct om_node *root = NULL;
		unsigned height;

		for (unsigned i = 0; i < N; i++) {
			struct item *item = (struct item *)(void *)(memory + i * stride[s]);

			item->first = item->last = i;
			insert(sys, &root, item);
		}
		assert_int_equal(check_tree(root, &height), N);
		assert_in_range(height, 14, 60);
		free(memory);
	}
	unit_system_free(sys);
}

/*
 * A word that looks deeper than at the children's words, as that of the VMA tree does: the largest
 * gap between neighbours of the subtree.
 */
static uintptr_t gap_aug(struct om_node *n)
{
	uintptr_t gap = max(n->left ? n->left->aug : 0, n->right ? n->right->aug : 0);
	const struct om_node *prev = n->left, *next = n->right;

	while (prev && prev->right)
		prev = prev->right;
	while (next && next->left)
		next = next->left;
	if (prev)
		gap = max(gap, item_key(n) - item_last(prev));
	if (next)
		gap = max(gap, item_key(next) - item_last(n));
	return gap;
}

static void check_gap(struct om_node *n)
{
	if (!n)
		return;
	check_gap(n->left);
	check_gap(n->right);
	assert_true(n->aug == gap_aug(n));
}

static void test_deep_words(void **state)
{
	static const struct om_tree_ops ops = {.key = item_key, .aug = gap_aug};
	enum { N = 64 };
	struct om_system *sys = unit_system(1);
	struct om_node *root = NULL;
	struct item *items = calloc(N, sizeof(*items));
	uint64_t rand = 3;

	(void)state;
	for (unsigned step = 0; step < 20000; step++) {
		unsigned nr = unit_rand(&rand) % N;
		struct item *item = &items[nr];

		if (!item->in) {
			item->first = nr * 100;
			item->last = item->first + unit_rand(&rand) % 100;
			om_tree_insert(sys, &root, &item->node, &ops);
			item->in = true;
		} else if (unit_rand(&rand) % 2) {
			om_tree_remove(sys, &root, &item->node, &ops);
			item->in = false;
		} else {
			item->last = item->first + unit_rand(&rand) % 100;
			om_tree_update(sys, &root, &item->node, &ops);
		}
		check_gap(root);
	}
	free(items);
	unit_system_free(sys);
}

static void test_strangers(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_node *root = NULL;
	struct item a = {.first = 1, .last = 1}, b = {.first = 2, .last = 2};

	(void)state;
	expect_bug("tree", om_tree_remove(sys, &root, &a.node, &item_ops.tree));
	insert(sys, &root, &a);
	expect_bug("tree", om_tree_remove(sys, &root, &b.node, &item_ops.tree));
	expect_bug("tree", om_tree_update(sys, &root, &b.node, &item_ops.tree));
	insert(sys, &root, &b);
	expect_bug("tree", om_tree_insert(sys, &root, &a.node, &item_ops.tree));
	expect_bug("tree", om_tree_insert(sys, &root, &b.node, &item_ops.tree));
	unit_system_free(sys);
}

static struct om_system *sort_sys;

/* By falling priority: of two nodes, the root of their tree comes first. */
static int by_priority(const void *pa, const void *pb)
{
	struct item *a = *(struct item *const *)pa, *b = *(struct item *const *)pb;
	struct om_node *root = NULL;

	if (a == b)
		return 0;
	insert(sort_sys, &root, a);
	insert(sort_sys, &root, b);
	return root == &a->node ? -1 : 1;
}

/* The height of a tree that may be as deep as it has nodes, without recursion. */
static unsigned path_length(const struct om_node *n)
{
	unsigned length = 0;

	for (; n; n = n->left ? n->left : n->right) {
		assert_true(!n->left || !n->right);
		length++;
	}
	return length;
}

/* Make a tree that is one path: the keys of nodes rise, or fall, as their priorities fall. */
static struct item **make_path(struct om_system *sys, struct om_node **root, unsigned n,
                               bool rising)
{
	struct item *items = calloc(n, sizeof(*items)), **order = calloc(n, sizeof(struct item *));

	sort_sys = sys;
	for (unsigned i = 0; i < n; i++)
		order[i] = &items[i];
	qsort(order, n, sizeof(order[0]), by_priority);
	for (unsigned i = 0; i < n; i++) {
		order[i]->first = rising ? i : n - 1 - i;
		order[i]->last = order[i]->first + 5;
	}
	for (unsigned i = 0; i < n; i++)
		insert(sys, root, order[i]);
	assert_int_equal(path_length(*root), n);
	return order;
}

/* What make_path() made: the items lie in one block, which begins with the lowest of them. */
static void free_path(struct item **order, unsigned n)
{
	struct item *items = order[0];

	for (unsigned i = 1; i < n; i++)
		items = order[i] < items ? order[i] : items;
	free(items);
	free(order);
}

static unsigned count_found(struct om_system *sys, const struct om_node *root, uintptr_t first,
                            uintptr_t last)
{
	struct om_interval_iter it;
	const struct om_node *prev = NULL;
	unsigned found = 0;

	for (const struct om_node *n = om_interval_first(&it, sys, root, &item_ops, first, last); n;
	     n = om_interval_next(&it), found++) {
		assert_true(!prev || item_key(prev) < item_key(n));
		assert_true(item_key(n) <= last && item_last(n) >= first);
		prev = n;
	}
	return found;
}

/* Any depth works: it is only slow. */
static void deep_tree(bool rising)
{
	enum { N = 2000 };
	struct om_system *sys = unit_system(1);
	struct om_node *root = NULL;
	struct item **order = make_path(sys, &root, N, rising);

	assert_int_equal(count_found(sys, root, 0, UINTPTR_MAX), N);
	assert_int_equal(count_found(sys, root, 1000, 1099), 105);
	assert_int_equal(count_found(sys, root, N + 4, UINTPTR_MAX), 1);
	for (unsigned i = 0; i < N; i += 2) {
		order[i]->last = order[i]->first + 1;
		operation++;
		om_tree_update(sys, &root, &order[i]->node, &item_ops.tree);
	}
	for (unsigned i = 1; i < N; i += 2)
		remove_item(sys, &root, order[i]);
	assert_int_equal(path_length(root), N / 2);
	assert_int_equal(count_found(sys, root, 0, UINTPTR_MAX), N / 2);
	for (unsigned i = 0; i < N; i += 2)
		remove_item(sys, &root, order[i]);
	assert_null(root);
	free_path(order, N);
	unit_system_free(sys);
}

static void test_depth(void **state)
{
	(void)state;
	deep_tree(true);
	deep_tree(false);
}

/* The same nodes make another tree with another seed: a path for one is none for another. */
static void test_seed(void **state)
{
	enum { N = 500 };
	struct om_system *sys = unit_system(1);
	struct om_node *root = NULL;
	struct item **order = make_path(sys, &root, N, true);
	unsigned height;

	(void)state;
	for (uintptr_t seed = 1; seed < 100; seed++) {
		for (unsigned i = 0; i < N; i++)
			remove_item(sys, &root, order[i]);
		sys->hooks.seed = om_tree_seed(seed * 0x10001);
		for (unsigned i = 0; i < N; i++)
			insert(sys, &root, order[i]);
		assert_int_equal(check_tree(root, &height), N);
		assert_in_range(height, 9, 45);
	}
	free_path(order, N);
	unit_system_free(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),     cmocka_unit_test(test_large),
	    cmocka_unit_test(test_edges),      cmocka_unit_test(test_shape),
	    cmocka_unit_test(test_deep_words), cmocka_unit_test(test_strangers),
	    cmocka_unit_test(test_depth),      cmocka_unit_test(test_seed),
	};

	return unit_run(tests);
}
