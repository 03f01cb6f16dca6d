// Type four lengths in tenths of a centimeter into the serial monitor, as 51 35 14 2: the class comes back.
#include "iris.h"

void setup() {
    Serial.begin(115200);
    pinMode(LED_BUILTIN, OUTPUT);
}

void loop() {
    int32_t flower[IRIS_INPUTS];
    if (Serial.available() == 0) {
        return;
    }
    for (int i = 0; i < IRIS_INPUTS; i++) {
        flower[i] = Serial.parseInt();
    }
    const int32_t answer = iris_predict_ticks(flower);
    digitalWrite(LED_BUILTIN, answer == 0 ? HIGH : LOW);
    Serial.println(iris_class_names[answer]);
    while (Serial.available() > 0) {
        Serial.read();
    }
}
