// compile_network NETWORK WEIGHTS MODEL.nb: builds a quantized network through TIM-VX and lets VeriSilicon's compiler
// make an NBG of it. Test tool: it is compiled against the SDK that tests install, by the machine's own C++ compiler,
// because TIM-VX's interface is libstdc++'s.
//
// NETWORK has one line a tensor or operator, in order; shapes are N C H W; weights are ranges of WEIGHTS, in bytes:
//   input|output|inner NAME TYPE SHAPE... SCALE ZERO_POINT          ("position" for int16 instead of both: 1 0 is
//   halves) constant NAME TYPE SHAPE... SCALE ZERO_POINT OFFSET conv IN WEIGHTS BIAS OUT STRIDE PAD_BEGIN PAD_END
//   DEPTHWISE deconv IN WEIGHTS BIAS OUT STRIDE SIDE CHANNELS add|multiply A B OUT sigmoid IN OUT
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tim/vx/context.h"
#include "tim/vx/graph.h"
#include "tim/vx/operation.h"
#include "tim/vx/ops/activations.h"
#include "tim/vx/ops/conv2d.h"
#include "tim/vx/ops/deconv.h"
#include "tim/vx/ops/elementwise.h"
#include "tim/vx/tensor.h"

namespace {

using namespace tim::vx;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "compile_network: %s\n", what.c_str());
  std::exit(1);
}

std::vector<char> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) give_up(std::string(path) + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class Network {
 public:
  explicit Network(std::vector<char> weights)
      : weights_(std::move(weights)), context_(Context::Create()), graph_(context_->CreateGraph()) {}

  void add_line(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "input") return add_tensor(words, TensorAttribute::INPUT);
    if (kind == "output") return add_tensor(words, TensorAttribute::OUTPUT);
    if (kind == "inner") return add_tensor(words, TensorAttribute::TRANSIENT);
    if (kind == "constant") return add_tensor(words, TensorAttribute::CONSTANT);
    if (kind == "conv") return add_conv(words);
    if (kind == "deconv") return add_deconv(words);
    if (kind == "sigmoid") return add_sigmoid(words);
    if (kind == "add") return add_pair<ops::Add>(words);
    if (kind == "multiply") return add_pair<ops::Multiply>(words);
    give_up("no such line: " + line);
  }

  std::vector<char> compile() {
    std::size_t size_bytes = 0;
    if (!graph_->CompileToBinary(nullptr, &size_bytes)) give_up("CompileToBinary gives no size");
    std::vector<char> model(size_bytes);
    if (!graph_->CompileToBinary(model.data(), &size_bytes)) give_up("CompileToBinary gives no model");
    model.resize(size_bytes);
    return model;
  }

 private:
  void add_tensor(std::istringstream& words, TensorAttribute attribute) {
    std::string name, type;
    std::uint32_t n = 0, c = 0, h = 0, w = 0;
    float scale = 0;
    std::int32_t zero_point = 0;
    if (!(words >> name >> type >> n >> c >> h >> w >> scale >> zero_point)) give_up("tensor " + name);
    ShapeType shape{w, h, c, n};
    if (n == 0) shape = {w, h};         // rank 2
    if (n == 0 && h == 0) shape = {w};  // rank 1
    Quantization quantization(QuantType::ASYMMETRIC, scale, zero_point);
    if (type == "int16") quantization = Quantization(QuantType::DYNAMIC_FIXED_POINT, static_cast<std::int8_t>(scale));
    const std::map<std::string, DataType> types{
        {"uint8", DataType::UINT8}, {"int16", DataType::INT16}, {"int32", DataType::INT32}};
    const TensorSpec spec(types.at(type), shape, attribute, quantization);
    std::size_t offset = 0;
    if (attribute == TensorAttribute::CONSTANT && !(words >> offset)) give_up("constant " + name);
    tensors_[name] = attribute == TensorAttribute::CONSTANT ? graph_->CreateTensor(spec, weights_.data() + offset)
                                                            : graph_->CreateTensor(spec);
  }

  void add_conv(std::istringstream& words) {
    std::string in, weights, bias, out;
    std::uint32_t stride = 0, begin = 0, end = 0;
    int depthwise = 0;
    if (!(words >> in >> weights >> bias >> out >> stride >> begin >> end >> depthwise)) give_up("conv " + in);
    const auto conv = graph_->CreateOperation<ops::Conv2d>(std::array<std::uint32_t, 4>{begin, end, begin, end},
                                                           std::array<std::uint32_t, 2>{stride, stride},
                                                           std::array<std::uint32_t, 2>{1, 1}, depthwise);
    conv->BindInputs({tensors_.at(in), tensors_.at(weights), tensors_.at(bias)}).BindOutputs({tensors_.at(out)});
  }

  void add_deconv(std::istringstream& words) {
    std::string in, weights, bias, out;
    std::uint32_t stride = 0, side = 0, channels = 0;
    if (!(words >> in >> weights >> bias >> out >> stride >> side >> channels)) give_up("deconv " + in);
    const auto deconv = graph_->CreateOperation<ops::DeConv2d>(
        static_cast<std::int32_t>(channels), PadType::VALID, std::array<std::uint32_t, 2>{side, side},
        std::array<std::uint32_t, 2>{stride, stride}, std::array<std::uint32_t, 2>{0, 0},
        std::array<std::uint32_t, 4>{});
    deconv->BindInputs({tensors_.at(in), tensors_.at(weights), tensors_.at(bias)}).BindOutputs({tensors_.at(out)});
  }

  void add_sigmoid(std::istringstream& words) {
    std::string in, out;
    if (!(words >> in >> out)) give_up("sigmoid " + in);
    const auto sigmoid = graph_->CreateOperation<ops::Sigmoid>();
    sigmoid->BindInputs({tensors_.at(in)}).BindOutputs({tensors_.at(out)});
  }

  template <typename Operation>
  void add_pair(std::istringstream& words) {
    std::string a, b, out;
    if (!(words >> a >> b >> out)) give_up("operator on " + a);
    const auto operation = graph_->CreateOperation<Operation>();
    operation->BindInputs({tensors_.at(a), tensors_.at(b)}).BindOutputs({tensors_.at(out)});
  }

  const std::vector<char> weights_;
  std::shared_ptr<Context> context_;
  std::shared_ptr<Graph> graph_;
  std::map<std::string, std::shared_ptr<Tensor>> tensors_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) give_up("usage: compile_network NETWORK WEIGHTS MODEL.nb");
  std::ifstream lines(argv[1]);
  Network network(read_file(argv[2]));
  for (std::string line; std::getline(lines, line);) network.add_line(line);
  const std::vector<char> model = network.compile();
  std::ofstream(argv[3], std::ios::binary).write(model.data(), static_cast<std::streamsize>(model.size()));
}
