/* One flower to its class, in integers only: no C library, no heap, no floating point. */
#include "iris.h"

/* Sepal length and width, petal length and width in ticks of 0.1 cm: 51 is 5.1 cm. */
static const int32_t flower[IRIS_INPUTS] = {51, 35, 14, 2};

volatile int32_t answer = -1;

#if __STDC_HOSTED__
#include <stdio.h>
#endif

int main(void) {
    answer = iris_predict_ticks(flower);
#if __STDC_HOSTED__
    puts(iris_class_names[answer]);
#endif
    return 0;
}
