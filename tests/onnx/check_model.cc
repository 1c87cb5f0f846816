// check_model MODEL.onnx...: runs ONNX's checker and shape inference (package libonnx-dev) and prints an error for each
// model that they reject. The exit code is 1 if there is one.
#include <onnx/checker.h>
#include <onnx/shape_inference/implementation.h>

#include <exception>
#include <fstream>
#include <iostream>

static bool accepts(const char *path)
{
	std::ifstream file(path, std::ios::binary);
	onnx::ModelProto model;
	try {
		if (!model.ParseFromIstream(&file))
			throw std::runtime_error("not a model, or not readable");
		onnx::checker::check_model(model);
		onnx::ShapeInferenceOptions strict(true, 1, true);
		onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), strict);
		return true;
	} catch (const std::exception &e) {
		std::cerr << path << ": " << e.what() << "\n";
		return false;
	}
}

int main(int argc, char **argv)
{
	bool good = true;
	for (int i = 1; i < argc; i++)
		good &= accepts(argv[i]);
	return good ? 0 : 1;
}
