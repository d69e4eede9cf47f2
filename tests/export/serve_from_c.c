/* Answers two requests to an exported model through TensorFlow's C API, as a server without Python.

   serve_from_c FOLDER LIBRARY... -- IDS MASK TYPES POOLED TEXT POOLED_OF_TEXT ID... -- SENTENCE

   FOLDER is a SavedModel, LIBRARY one with operations that TensorFlow lacks. Then come the names of
   tensors, "operation:index", as the SavedModel's signatures have them: three inputs of whole
   numbers and the output asked for, an input of text and its output. Last, the ids of a sequence,
   and a sentence. Prints the numbers of both outputs, a line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

static TF_Status *status;

static void check(const char *what) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

static TF_Output find(TF_Graph *graph, char *name) {
  char *colon = strrchr(name, ':');
  *colon = '\0';
  TF_Output found = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (found.oper) return found;
  fprintf(stderr, "no operation %s\n", name);
  exit(1);
}

/* Returns int32 [1, count]: the values, or `filling` everywhere. */
static TF_Tensor *row(char **values, int count, int filling) {
  int64_t shape[2] = {1, count};
  TF_Tensor *tensor = TF_AllocateTensor(TF_INT32, shape, 2, count * sizeof(int32_t));
  for (int i = 0; i < count; i++)
    ((int32_t *)TF_TensorData(tensor))[i] = values ? atoi(values[i]) : filling;
  return tensor;
}

/* Returns string [1]. */
static TF_Tensor *sentence(const char *text) {
  int64_t shape[1] = {1};
  TF_Tensor *tensor = TF_AllocateTensor(TF_STRING, shape, 1, sizeof(TF_TString));
  TF_StringInit((TF_TString *)TF_TensorData(tensor));
  TF_StringCopy((TF_TString *)TF_TensorData(tensor), text, strlen(text));
  return tensor;
}

static void answer(TF_Session *session, TF_Output *inputs, TF_Tensor **values, int count,
                   TF_Output output) {
  TF_Tensor *result = NULL;
  TF_SessionRun(session, NULL, inputs, values, count, &output, &result, 1, NULL, 0, NULL, status);
  check("running");
  size_t size = TF_TensorByteSize(result) / sizeof(float);
  for (size_t i = 0; i < size; i++) printf("%.9g ", ((float *)TF_TensorData(result))[i]);
  printf("\n");
  TF_DeleteTensor(result);
}

int main(int argc, char **argv) {
  status = TF_NewStatus();
  if (argc < 12) {
    fprintf(stderr, "usage: %s FOLDER LIBRARY... -- IDS MASK TYPES POOLED TEXT POOLED_OF_TEXT "
                    "ID... -- SENTENCE\n", argv[0]);
    return 2;
  }
  char **next = argv + 2;
  for (; strcmp(*next, "--"); next++) {
    TF_LoadLibrary(*next, status);
    check(*next);
  }
  char **names = next + 1, **ids = names + 6;
  int count = 0;
  while (strcmp(ids[count], "--")) count++;

  const char *tags[] = {"serve"};
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(argv[1]);

  TF_Output inputs[3] = {find(graph, names[0]), find(graph, names[1]), find(graph, names[2])};
  TF_Tensor *rows[3] = {row(ids, count, 0), row(NULL, count, 1), row(NULL, count, 0)};
  answer(session, inputs, rows, 3, find(graph, names[3]));
  TF_Output text = find(graph, names[4]);
  TF_Tensor *texts[1] = {sentence(argv[argc - 1])};
  answer(session, &text, texts, 1, find(graph, names[5]));
  return 0;
}
